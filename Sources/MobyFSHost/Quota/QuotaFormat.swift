// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// Where a kernel has the format that ext4 keeps its quotas in, CONFIG_QFMT_V2.
///
/// A kernel without it mounts a file system that has the features `project` and `quota` read-only, or not at all
/// (`ext4_feature_set_ok` in fs/ext4/super.c). That it has CONFIG_QUOTA says nothing about it.
package enum QuotaFormat: Hashable, Sendable, CaseIterable {
    /// In the kernel itself.
    case builtIn
    /// In the module `quota_v2`, which is on the disk.
    case module
    /// Nowhere.
    case missing
    /// Nothing on this host tells.
    case unknown

    private static let moduleFile = "quota_v2.ko"
    private static let settingName = "CONFIG_QFMT_V2="

    /// Finds out where a kernel has it.
    ///
    /// Blocks.
    ///
    /// - Parameters:
    ///   - release: The kernel.
    ///   - root: Where the host's `/boot`, `/lib` and `/sys` are.
    package init(of release: String = KernelRelease.current, below root: FilePath = "/") {
        if Directories.isDirectory(root.appending("sys/module/quota_v2")) == true {
            self = .module
            return
        }
        let modules = root.appending("lib/modules/\(release)")
        let isBuiltIn = Self.isListed(in: modules.appending("modules.builtin"))
        let isThere = Self.isListed(in: modules.appending("modules.dep"))
        let setting = Self.setting(in: root.appending("boot/config-\(release)"))
        switch (isBuiltIn, isThere, setting) {
        case (true, _, _), (nil, _, "y"): self = .builtIn
        case (_, true, _): self = .module
        case (false, false, _), (_, _, ""): self = .missing
        default: self = .unknown
        }
    }

    /// Whether one of depmod(8)'s lists names the module, compressed or not; nil where there is no such list.
    private static func isListed(in list: FilePath) -> Bool? {
        lines(of: list)?.contains { line in
            let path = line.prefix { $0 != UInt8(ascii: ":") }
            let name = path.lastIndex(of: UInt8(ascii: "/")).map { path[$0...].dropFirst() } ?? path
            return name.starts(with: moduleFile.utf8)
        }
    }

    /// What a kernel was built with: `y`, `m`, or nothing; nil where that is not written down.
    private static func setting(in configuration: FilePath) -> String? {
        guard let all = lines(of: configuration) else { return nil }
        let line = all.first { $0.starts(with: settingName.utf8) }
        return line.map { String(decoding: $0.dropFirst(settingName.utf8.count), as: UTF8.self) } ?? ""
    }

    private static func lines(of path: FilePath) -> [ArraySlice<UInt8>]? {
        // A kernel need not have any of these files.
        guard let bytes = try? DurableFile.read(path, limit: 16 << 20), !bytes.isEmpty else { return nil }
        return bytes.split(separator: UInt8(ascii: "\n"))
    }
}
