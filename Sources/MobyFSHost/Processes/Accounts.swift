// SPDX-License-Identifier: Apache-2.0

package import Glibc

/// Users and groups of the host, by name or number.
package enum Accounts {
    /// Room for the longest entry: a group's has all its members.
    private static let bufferSize = 1 << 20

    /// The user ID that a number or a name stands for; nil if there is no such user.
    package static func userID(_ text: String) -> uid_t? {
        guard !text.utf8.contains(0) else { return nil }
        if let number = number(text) { return number }
        var entry = passwd()
        var result: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: bufferSize)
        return getpwnam_r(text, &entry, &buffer, buffer.count, &result) == 0 && result != nil ? entry.pw_uid : nil
    }

    /// The group ID that a number or a name stands for; nil if there is no such group.
    package static func groupID(_ text: String) -> gid_t? {
        guard !text.utf8.contains(0) else { return nil }
        if let number = number(text) { return number }
        var entry = group()
        var result: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: bufferSize)
        return getgrnam_r(text, &entry, &buffer, buffer.count, &result) == 0 && result != nil ? entry.gr_gid : nil
    }

    /// All but the highest number, which chown(2) takes for "leave it".
    private static func number(_ text: String) -> UInt32? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt32(text).flatMap { $0 == .max ? nil : $0 }
    }
}
