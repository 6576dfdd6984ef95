// SPDX-License-Identifier: Apache-2.0

/// Times as Go reads them from JSON.
///
/// Source: `parseStrictRFC3339` in Go's `time/format_rfc3339.go`, which is what `UnmarshalJSON` has used since 1.20.
enum GoTime {
    /// Why Go takes a text for no time; nil if it takes it for one.
    static func complaint(about text: String) -> String? {
        var rest = text.utf8[...]
        guard let year = number(&rest, 4), take("-", &rest), let month = number(&rest, 2), take("-", &rest),
            let day = number(&rest, 2)
        else { return "does not begin with a date like 2006-01-02" }
        guard (1...12).contains(month), (1...days(in: month, of: year)).contains(day) else { return "has no such date" }
        guard take("T", &rest) else { return "has no 'T' behind the date" }
        guard let hour = number(&rest, 2), take(":", &rest), let minute = number(&rest, 2), take(":", &rest),
            let second = number(&rest, 2), hour < 24, minute < 60, second < 60
        else { return "has no time like 15:04:05 behind the 'T'" }
        if take(".", &rest) {
            let fraction = rest.prefix { (0x30...0x39).contains($0) }
            guard !fraction.isEmpty else { return "has no digits behind the '.'" }
            rest = rest.dropFirst(fraction.count)
        }
        if take("Z", &rest) { return rest.isEmpty ? nil : "goes on behind the 'Z'" }
        guard take("+", &rest) || take("-", &rest), let hours = number(&rest, 2), take(":", &rest),
            let minutes = number(&rest, 2), rest.isEmpty, hours < 24, minutes < 60
        else { return "does not end in 'Z' or a zone like +01:00" }
        return nil
    }

    private static func take(_ character: Unicode.Scalar, _ rest: inout Substring.UTF8View) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest = rest.dropFirst()
        return true
    }

    private static func number(_ rest: inout Substring.UTF8View, _ digits: Int) -> Int? {
        let text = rest.prefix(digits)
        guard text.count == digits, text.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        rest = rest.dropFirst(digits)
        return Int(Substring(text))
    }

    private static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}
