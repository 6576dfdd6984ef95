// SPDX-License-Identifier: Apache-2.0

extension StringProtocol {
    /// Fit for one line of a terminal, a report or a log, however it came about.
    ///
    /// What would move the cursor, turn the text around or not be seen at all is escaped.
    ///
    /// - Parameter limit: So many characters are kept; without, all.
    /// - Returns: The text, escaped.
    package func printable(_ limit: Int = .max) -> String {
        var text = ""
        var count = 0
        for scalar in unicodeScalars {
            guard count < limit else {
                text += "..."
                break
            }
            switch (scalar, scalar.properties.generalCategory) {
            case ("\n", _): text += "\\n"
            case ("\r", _): text += "\\r"
            case ("\t", _): text += "\\t"
            case (_, .control), (_, .format), (_, .lineSeparator), (_, .paragraphSeparator), (_, .surrogate),
                (_, .privateUse), (_, .unassigned):
                text += "\\u{\(String(scalar.value, radix: 16))}"
            default: text.unicodeScalars.append(scalar)
            }
            count += 1
        }
        return text
    }

    /// Without white space at both ends.
    var trimmed: String {
        let isSpace: (Character) -> Bool = { $0.isWhitespace }
        return String(drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }
}

extension [UInt8] {
    /// The beginning of a body, in one line.
    func excerpt(_ limit: Int = 200) -> String {
        let text = String(decoding: prefix(limit * 4), as: UTF8.self).trimmed
        let shown = text.printable(limit)
        return text.unicodeScalars.count > limit || count > limit * 4 ? "\(shown) (\(count) bytes)" : shown
    }
}

extension [String] {
    /// `'a', 'b' and 3 more`.
    func listed(_ limit: Int = 3) -> String {
        let shown = prefix(limit).map { "'\($0.printable(80))'" }.joined(separator: ", ")
        return count > limit ? "\(shown) and \(count - limit) more" : shown
    }
}
