// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@testable import MobyFSVolumes

/// Attempts to read a pool that could not be read before.
struct PoolLoadTests {
    /// One of them makes the folder: the others find it where there was none, and read it anew.
    @Test func oneWhoseAttemptIsOvertakenWaitsForTheOther() async throws {
        for _ in 0..<20 {
            try await withTemporaryDirectory { root in
                try root.appending("pool").write("in the way")
                let fixture = await ManagerFixture(root: root, drivers: [])
                #expect(fixture.volumes.poolTrouble?.contains("Not a directory") == true)
                try Files.unlink(fixture.pool)
                let troubles = await withTaskGroup(of: String?.self) { group in
                    for index in 0..<8 {
                        group.addTask {
                            try? await Task.sleep(for: .microseconds(100 * index))
                            await fixture.volumes.loadIfNeeded()
                            return fixture.volumes.poolTrouble
                        }
                    }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                #expect(troubles.allSatisfy { $0 == nil }, "\(troubles)")
            }
        }
    }
}
