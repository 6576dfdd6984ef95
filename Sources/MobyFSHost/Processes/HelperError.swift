// SPDX-License-Identifier: Apache-2.0

/// A program of the host that did not do what it was asked for.
package struct HelperError: Error, Hashable, CustomStringConvertible {
    /// How it went wrong.
    package enum Reason: Hashable, Sendable {
        /// It is not installed.
        case missing
        /// It ended by itself, with this status.
        case failed(status: Int32)
        /// A signal ended it.
        case signalled(Int32)
        /// It ran for so many seconds, and was killed.
        case timedOut(seconds: Int64)
    }

    /// The program's name, such as `mkfs.xfs`.
    package let program: String
    /// The Debian package that has it.
    package let package: String
    package let reason: Reason
    /// The last lines it said, without control characters; those on its standard output if there were no others.
    package var lines: [String]

    package init(program: String, package: String, reason: Reason, lines: [String] = []) {
        self.program = program
        self.package = package
        self.reason = reason
        self.lines = lines
    }

    /// The last line it said, which mostly is the reason.
    package var lastLine: String { lines.last ?? "" }

    package var description: String {
        // Most programs begin their lines so themselves.
        let said = lastLine.hasPrefix("\(program): ") ? String(lastLine.dropFirst(program.count + 2)) : lastLine
        switch reason {
        case .missing:
            return "the program \(program) is not installed: apt install \(package)"
        case .failed(let status):
            return said.isEmpty ? "\(program) ended with status \(status) and said nothing" : "\(program): \(said)"
        case .signalled(let signal):
            return "\(program) was ended by signal \(signal)" + (said.isEmpty ? "" : " after it said: \(said)")
        case .timedOut(let seconds):
            return "\(program) did not end within \(seconds) s and was killed"
                + (said.isEmpty ? "" : " after it said: \(said)")
        }
    }
}
