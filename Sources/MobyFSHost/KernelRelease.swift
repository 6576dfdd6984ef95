// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Which kernel is running.
package enum KernelRelease {
    /// What `uname -r` says, such as `6.1.0-37-amd64`.
    package static let current: String = {
        var name = utsname()
        uname(&name)
        return withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }()
}
