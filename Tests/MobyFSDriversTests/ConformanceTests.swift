// SPDX-License-Identifier: Apache-2.0

import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// Each driver on storage that suits it, in one suite of checks.
@Suite struct ConformanceTests {
    @Test(arguments: DriverCheck.all)
    func directory(check: DriverCheck) async throws { try await check(.directory) }

    @Test(.needs(.image(.ext4)), arguments: DriverCheck.all)
    func imageWithExt4(check: DriverCheck) async throws { try await check(.image(.ext4)) }

    @Test(.needs(.image(.xfs)), arguments: DriverCheck.all)
    func imageWithXFS(check: DriverCheck) async throws { try await check(.image(.xfs)) }

    @Test(.needs(.image(.btrfs)), arguments: DriverCheck.all)
    func imageWithBtrfs(check: DriverCheck) async throws { try await check(.image(.btrfs)) }
}

extension Trait where Self == ConditionTrait {
    /// Skips a test where the machine lacks something, and says what.
    static func needs(_ fixture: DriverFixture) -> Self {
        .enabled(if: fixture.lack == nil, Comment(rawValue: "\(fixture.name): \(fixture.lack ?? "")"))
    }
}
