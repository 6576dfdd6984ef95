// SPDX-License-Identifier: Apache-2.0

import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// Directories where project quotas hold them to their size.
@Suite struct QuotaConformanceTests {
    /// By turns on one and the other: what differs between them, ``DirectoryQuotaTests`` asks of both.
    private static let types = DriverCheck.all.indices.map { QuotaFileSystem.allCases[$0 % 2] }

    @Test(.needsProjectQuotas, arguments: zip(DriverCheck.all, types))
    func directory(check: DriverCheck, type: QuotaFileSystem) async throws {
        try await check(.directory(on: type))
    }
}

extension DriverFixture {
    fileprivate static func directory(on type: QuotaFileSystem) -> DriverFixture {
        DriverFixture(
            "directory", with: "quotas of \(type)", mounting: .never,
            sizes: .enforced(small: "4MiB", large: "12MiB", shrinks: true)
        ) { root in
            let pool = root.appending("pool")
            try await type.mount(root.appending("image"), at: pool)
            return DriverGround(
                drivers: { BuiltInDrivers.all(reserved: [$0]) }, options: { _ in ["driver": "directory"] },
                leftovers: { try ProjectQuota(of: pool).next(from: 1).map { ["project \($0.id)"] } ?? [] },
                tearDown: { try Mounts.unmount(pool) })
        }
    }
}
