// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims

/// The code of this program.
package enum ProgramCode {
    /// Gives back the memory of code that has run and may not run again, such as that of the start.
    ///
    /// Code that runs on is mapped again as it does, in well under a millisecond.
    package static func release() { mobyfs_release_code() }
}
