// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// A mount that the kernel refused: of what, and all that it said.
package struct MountError: Error, Hashable, CustomStringConvertible {
    package let type: String
    package let source: String
    /// The mountpoint; nil if options were only checked.
    package let path: FilePath?
    package let errno: Errno
    /// The kernel's own words, such as `ext4: Unknown parameter 'x'`; mostly none.
    package let messages: [String]

    package init(type: String, source: String, path: FilePath?, errno: Errno, messages: [String] = []) {
        self.type = type
        self.source = source
        self.path = path
        self.errno = errno
        self.messages = messages
    }

    package var description: String {
        let reason = messages.isEmpty ? "\(errno)" : messages.joined(separator: "; ")
        return "mount \(type) '\(source)': \(reason) (\(errno.name))"
    }
}
