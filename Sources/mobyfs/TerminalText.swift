// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSVolumes
import SystemPackage

/// Text on its way to a terminal.
///
/// Names of files, contents of spec files and answers of plugins are anybody's. Control characters and those that turn
/// the direction of writing are shown as `\x1b` and the like and have no effect.
enum TerminalText {
    /// The text, fit to stand on one line.
    static func line(_ text: some StringProtocol) -> String {
        guard text.unicodeScalars.contains(where: isHarmful) else { return String(text) }
        return text.unicodeScalars.reduce(into: "") { result, scalar in
            if isHarmful(scalar) {
                let digits = String(scalar.value, radix: 16)
                result += scalar.value < 0x100 ? "\\x\(digits.count < 2 ? "0" : "")\(digits)" : "\\u{\(digits)}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
    }

    /// JSON with harmless spellings of what is in its texts.
    static func json(_ encoded: [UInt8]) -> String {
        // Outside of texts there are no such characters.
        String(decoding: encoded, as: UTF8.self).unicodeScalars.reduce(into: "") { result, scalar in
            if isHarmful(scalar), scalar.value < 0x10000 {
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
    }

    private static func isHarmful(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }

    /// Writes lines to standard error, each fit for a terminal.
    static func complain(_ lines: String...) {
        // In a pipe or a file, too, what was printed before comes before.
        fflush(nil)
        let text = lines.map { "\(line($0))\n" }.joined()
        _ = try? FileDescriptor.standardError.writeAll(text.utf8)  // a closed stderr hears nothing
    }

    /// Columns with two blanks between them, as wide as what is in them; the last one as long as it gets.
    static func table(_ rows: [[String]]) -> [String] {
        let rows = rows.map { $0.map { line($0) } }
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: max(0, $1 - $0.count)) }
            return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
        }
    }
}

/// A size in a table.
enum SizeCell {
    static func text(_ bytes: UInt64?) -> String { bytes.map { ByteSize(bytes: $0).rounded } ?? "-" }

    /// As an option has it.
    static func text(_ value: String?) -> String { value.map { ByteSize($0)?.rounded ?? $0 } ?? "-" }
}
