// SPDX-License-Identifier: Apache-2.0

/// Times as records are written with them.
enum RecordTime {
    /// The seconds from 1970 to a time such as `2026-01-31T12:00:00Z`.
    ///
    /// All times that can be written otherwise are left to Foundation, which takes ten times as long, for each volume at each
    /// start.
    ///
    /// - Parameter text: The time.
    /// - Returns: Nil for one of another form, and for one that not every month has.
    static func seconds(_ text: String) -> Int? {
        var text = text
        return text.withUTF8 { bytes in
            guard bytes.count == 20, zip(bytes, pattern).allSatisfy({ $1 == digit || $0 == $1 }),
                let year = number(bytes[0..<4]), let month = number(bytes[5..<7]), let day = number(bytes[8..<10]),
                let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16]),
                let second = number(bytes[17..<19]), year >= 1970, (1...12).contains(month), (1...28).contains(day),
                hour < 24, minute < 60, second < 60
            else { return nil }
            return ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
        }
    }

    private static let digit = UInt8(ascii: "0")
    private static let pattern = Array("0000-00-00T00:00:00Z".utf8)

    private static func number(_ digits: Slice<UnsafeBufferPointer<UInt8>>) -> Int? {
        var number = 0
        for byte in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            number = number * 10 + Int(byte - digit)
        }
        return number
    }

    /// The days from 1970-01-01 to a day of the Gregorian calendar.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        // Of years that begin in March: the day that is not in each of them is their last.
        let (year, month) = month > 2 ? (year, month - 3) : (year - 1, month + 9)
        let leapDays = year / 4 - year / 100 + year / 400
        // Months have 31, 30, 31, 30 and 31 days, again and again.
        return year * 365 + leapDays + (month * 153 + 2) / 5 + day - 719_469
    }
}
