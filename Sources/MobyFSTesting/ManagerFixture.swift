// SPDX-License-Identifier: Apache-2.0

package import Logging
package import MobyFSVolumes
package import SystemPackage

/// A pool on disk with a manager that has loaded it; as often as a test wants to restart it.
package struct ManagerFixture: Sendable {
    package let root: FilePath
    package let drivers: [any VolumeDriver]
    package let volumes: VolumeManager

    package var runtime: FilePath { root.appending("run") }
    package var pool: FilePath { root.appending("pool") }

    package init(root: FilePath, drivers: [any VolumeDriver]) async {
        self.root = root
        self.drivers = drivers
        volumes = VolumeManager(
            root: root.appending("pool"), runtimeDirectory: root.appending("run"), drivers: drivers,
            logger: .silent)
        await volumes.load()
    }

    /// A manager as a new process would have it.
    package func restarted() async -> ManagerFixture {
        await ManagerFixture(root: root, drivers: drivers)
    }
}

/// Runs `body` with a fresh pool.
package func withVolumeManager<Result>(
    drivers: [any VolumeDriver], isolation: isolated (any Actor)? = #isolation,
    _ body: (ManagerFixture) async throws -> Result
) async throws -> Result {
    try await withTemporaryDirectory { root in
        try await body(await ManagerFixture(root: root, drivers: drivers))
    }
}

extension Logger {
    /// Logs nothing.
    package static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
