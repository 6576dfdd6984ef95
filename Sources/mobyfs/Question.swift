// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A question to whoever sits at the terminal, before something that cannot be taken back easily.
enum Question {
    /// Asks, and waits for the answer.
    ///
    /// - Returns: Whether it is yes; anything else is no.
    /// - Throws: ``CommandFailure`` if nobody can be asked.
    static func isAffirmed(_ text: String) throws -> Bool {
        guard isatty(STDIN_FILENO) == 1 else {
            throw CommandFailure("there is nobody to ask: give --force to go on without", status: 2)
        }
        print(text, "[y/N]", terminator: " ")
        fflush(nil)
        return ["y", "yes"].contains(readLine()?.lowercased() ?? "")
    }
}
