// SPDX-License-Identifier: Apache-2.0

import MobyFSTesting
import Testing

/// Each driver on storage that suits it, in one suite of checks.
@Suite(.serialized) struct ConformanceTests {
    @Test(arguments: DriverCheck.all)
    func directory(check: DriverCheck) async throws { try await check(.directory) }

    @Test(.needs(.image(.ext4)), arguments: DriverCheck.all)
    func imageWithExt4(check: DriverCheck) async throws { try await check(.image(.ext4)) }

    @Test(.needs(.image(.xfs)), arguments: DriverCheck.all)
    func imageWithXFS(check: DriverCheck) async throws { try await check(.image(.xfs)) }

    @Test(.needs(.image(.btrfs)), arguments: DriverCheck.all)
    func imageWithBtrfs(check: DriverCheck) async throws { try await check(.image(.btrfs)) }

    @Test(.needs(.btrfs), arguments: DriverCheck.all)
    func btrfs(check: DriverCheck) async throws { try await check(.btrfs) }

    @Test(.needs(.btrfsCountingReferences), arguments: DriverCheck.all)
    func btrfsCountingReferences(check: DriverCheck) async throws { try await check(.btrfsCountingReferences) }

    @Test(.needs(.tmpfs), arguments: DriverCheck.all)
    func tmpfs(check: DriverCheck) async throws { try await check(.tmpfs) }

    @Test(.needs(.mountOfFolder), arguments: DriverCheck.all)
    func mountOfFolder(check: DriverCheck) async throws { try await check(.mountOfFolder) }

    @Test(.needs(.mountOfOverlay), arguments: DriverCheck.all)
    func mountOfOverlay(check: DriverCheck) async throws { try await check(.mountOfOverlay) }

    @Test(.needs(.mountOfDisk), arguments: DriverCheck.all)
    func mountOfDisk(check: DriverCheck) async throws { try await check(.mountOfDisk) }

    @Suite(.serialized, .needs(.mountOfSSHFS), .sshServer) struct SSHFS {
        @Test(arguments: DriverCheck.all)
        func mountOfSSHFS(check: DriverCheck) async throws { try await check(.mountOfSSHFS) }
    }

    @Suite(.serialized, .needs(.mountOfGlusterFS), .glusterServer) struct GlusterFS {
        @Test(arguments: DriverCheck.all)
        func mountOfGlusterFS(check: DriverCheck) async throws { try await check(.mountOfGlusterFS) }
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips a test where the machine lacks something, and says what.
    static func needs(_ fixture: DriverFixture) -> Self {
        .enabled(if: fixture.lack == nil, Comment(rawValue: "\(fixture.name): \(fixture.lack ?? "")"))
    }
}
