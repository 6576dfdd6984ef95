// SPDX-License-Identifier: Apache-2.0

import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// Directories where project quotas hold them to their size.
@Suite struct QuotaConformanceTests {
    @Test(.needsProjectQuotas, arguments: DriverCheck.all, QuotaFileSystem.allCases)
    func directory(check: DriverCheck, type: QuotaFileSystem) async throws {
        try await check(.directory(on: type))
    }
}

extension DriverFixture {
    fileprivate static func directory(on type: QuotaFileSystem) -> DriverFixture {
        DriverFixture(
            "directory on \(type)", mounting: .never,
            sizes: .enforced(small: "4MiB", large: "12MiB", shrinks: true)
        ) { root in
            let pool = root.appending("pool")
            try await type.mount(root.appending("image"), at: pool)
            return DriverGround(
                drivers: { [DirectoryDriver(reserved: [$0])] }, options: { _ in ["driver": "directory"] },
                tearDown: {
                    try await eventually("no project is left") { try ProjectQuota(of: pool).next(from: 1) == nil }
                    try Mounts.unmount(pool)
                })
        }
    }
}
