// SPDX-License-Identifier: Apache-2.0

import MobyFSDrivers
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// Each driver on storage that suits it, in one suite of checks.
@Suite struct ConformanceTests {
    @Test(.needs(.directory), arguments: DriverCheck.all)
    func directory(check: DriverCheck) async throws { try await check(.directory) }
}

extension Trait where Self == ConditionTrait {
    /// Skips a test by the name of what the machine lacks.
    static func needs(_ fixture: DriverFixture) -> Self {
        .enabled(if: fixture.lack == nil, Comment(rawValue: "\(fixture.name): \(fixture.lack ?? "")"))
    }
}

extension DriverFixture {
    /// In the pool, on whatever file system that is.
    static let directory = DriverFixture("directory", mounting: .never) { _ in
        DriverGround(drivers: { [DirectoryDriver(reserved: [$0])] }, options: { _ in ["driver": "directory"] })
    }
}
