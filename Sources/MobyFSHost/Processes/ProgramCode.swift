// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims

/// The code of this program and its libraries, with their constants.
package enum ProgramCode {
    /// Gives back the memory of code that has run and may not run again, such as that of the start.
    ///
    /// What is used on is mapped again as it is, in well under a millisecond.
    package static func release() { mobyfs_release_code() }
}
