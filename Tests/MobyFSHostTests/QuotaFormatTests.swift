// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// Kernels that have the quotas of ext4, and some that have not.
@Suite struct QuotaFormatTests {
    private static let release = "6.1.0-1-test"
    private static let builtIn = "lib/modules/\(release)/modules.builtin"
    private static let dependencies = "lib/modules/\(release)/modules.dep"
    private static let configuration = "boot/config-\(release)"

    private static let kernels: [(files: [String: String], expected: QuotaFormat)] = [
        ([:], .unknown),
        ([builtIn: "kernel/fs/quota/quota_v2.ko\n"], .builtIn),
        ([builtIn: "kernel/a.ko\n", dependencies: "kernel/fs/quota/quota_v2.ko.xz: kernel/b.ko\n"], .module),
        ([dependencies: "kernel/fs/quota/quota_v2.ko:\n"], .module),
        ([builtIn: "kernel/a.ko\n", dependencies: "kernel/b.ko: kernel/fs/quota/quota_v2.ko\n"], .missing),
        ([builtIn: "kernel/fs/ext4/ext4.ko\n"], .unknown),
        ([builtIn: "kernel/fs/ext4/ext4.ko\n", dependencies: "kernel/fs/quota/quota_v1.ko:\n"], .missing),
        ([configuration: "CONFIG_QUOTA=y\nCONFIG_QFMT_V2=y\n"], .builtIn),
        // The module may not be installed.
        ([configuration: "CONFIG_QUOTA=y\nCONFIG_QFMT_V2=m\n"], .unknown),
        ([configuration: "CONFIG_QUOTA=y\n# CONFIG_QFMT_V2 is not set\n"], .missing),
        ([configuration: "# CONFIG_QUOTA is not set\n"], .missing),
        (["lib/modules/6.1.0-2-other/modules.builtin": "kernel/fs/quota/quota_v2.ko\n"], .unknown),
        (["sys/module/quota_v2/refcnt": "1\n"], .module),
    ]

    @Test(arguments: kernels)
    func isFoundInWhatAKernelBrings(files: [String: String], expected: QuotaFormat) async throws {
        try await withTemporaryDirectory { root in
            for (name, content) in files {
                let path = root.appending(name)
                try Directories.create(path.removingLastComponent(), mode: 0o755)
                try path.write(content)
            }
            #expect(QuotaFormat(of: Self.release, below: root) == expected)
        }
    }
}
