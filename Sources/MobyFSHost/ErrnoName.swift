// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
package import SystemPackage

extension Errno {
    /// Its name, such as `EINVAL`.
    package var name: String {
        mobyfs_errno_name(rawValue).map { String(cString: $0) } ?? "errno \(rawValue)"
    }

    /// The error that a program's line ends with, as in `mount.nfs: Connection refused`; nil if it names none.
    package init?(endOf line: String) {
        // 4095 is the largest the kernel can return; those that have a text end long before.
        let found = (1...133).map { Errno(rawValue: $0) }.first { errno in
            mobyfs_errno_name(errno.rawValue) != nil && line.hasSuffix(errno.description)
        }
        guard let found else { return nil }
        self = found
    }
}
