// SPDX-License-Identifier: Apache-2.0

/// A number of bytes, as people write and read it.
package struct ByteSize: Hashable, Sendable, Comparable {
    package let bytes: UInt64

    package init(bytes: UInt64) {
        self.bytes = bytes
    }

    private static let letters: [Character] = ["k", "m", "g", "t", "p"]
    private static let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"]

    /// Reads `10G`, `10g`, `10GiB` (1024 each), `10GB` (1000 each) or a number of bytes; digits after a point count.
    ///
    /// - Returns: Nil for anything else, and for more than 8 EiB, which no file can have.
    package init?(_ text: String) {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
        guard let factor = Self.factor(unit) else { return nil }
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let whole = UInt64(parts[0]) else { return nil }
        var (bytes, isTooLarge) = whole.multipliedReportingOverflow(by: factor)
        if parts.count == 2 {
            // Six digits tell one MiB in a TiB; a part of a byte makes no sense.
            guard factor > 1, (1...6).contains(parts[1].count), let fraction = UInt64(parts[1]) else { return nil }
            let scale = parts[1].reduce(UInt64(1)) { scale, _ in scale * 10 }
            let (sum, overflows) = bytes.addingReportingOverflow(
                factor / scale * fraction + factor % scale * fraction / scale)
            (bytes, isTooLarge) = (sum, isTooLarge || overflows)
        }
        guard !isTooLarge, bytes <= UInt64(Int64.max) else { return nil }
        self.bytes = bytes
    }

    private static func factor(_ unit: String) -> UInt64? {
        guard let letter = unit.first else { return 1 }
        if unit == "b" { return 1 }
        guard let index = letters.firstIndex(of: letter) else { return nil }
        let base: UInt64
        switch unit.dropFirst() {
        case "", "ib", "i": base = 1024
        case "b": base = 1000
        default: return nil
        }
        return (0...index).reduce(1) { factor, _ in factor * base }
    }

    /// The one spelling that records keep, with the largest unit that leaves no remainder: `10GiB`, `1500`.
    package var normal: String {
        let (count, unit) = exact
        return unit == 0 ? "\(count)" : "\(count)\(Self.units[unit])"
    }

    private var exact: (count: UInt64, unit: Int) {
        var (count, unit) = (bytes, 0)
        while count > 0, count % 1024 == 0, unit + 1 < Self.units.count { (count, unit) = (count / 1024, unit + 1) }
        return (count, unit)
    }

    package static func < (one: ByteSize, other: ByteSize) -> Bool { one.bytes < other.bytes }
}

extension ByteSize: CustomStringConvertible {
    /// For people: `10 GiB (10737418240 bytes)`, `1.4 KiB (1500 bytes)`, `10 bytes`.
    package var description: String { bytes < 1024 ? rounded : "\(rounded) (\(bytes) bytes)" }

    /// For tables: `10 GiB`, `1.4 KiB`, `10 bytes`.
    package var rounded: String {
        var (rough, unit) = (Double(bytes), 0)
        while rough >= 1024, unit + 1 < Self.units.count { (rough, unit) = (rough / 1024, unit + 1) }
        guard unit > 0 else { return "\(bytes) bytes" }
        let tenths = UInt64((rough * 10).rounded())
        let text = tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
        return "\(text) \(Self.units[unit])"
    }
}
