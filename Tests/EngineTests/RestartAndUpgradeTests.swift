// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineTests {
    /// mobyfs is restarted and replaced while the engine talks to it.
    @Suite struct RestartAndUpgradeTests {
        let host = EngineHost.shared

        @Test func noCallFailsWhileTheServiceIsRestartedAgainAndAgain() async throws {
            try await host.start("steady", volumes: "steady:/data")
            let mount = try await host.mount(at: "/data", in: "steady")
            let restarts = 15

            let report = try await CallStream.run(on: host) { stream in
                for number in 1...restarts {
                    let old = try await host.property("MainPID", of: "mobyfs.service")
                    try await host.run("systemctl", "restart", "mobyfs.service")
                    #expect(try await host.property("MainPID", of: "mobyfs.service") != old)
                    // Some in quick succession, some with calls in between for sure.
                    if number.isMultiple(of: 3) { try await stream.waitForProgress() }
                }
            }
            try await expectNoFailure(in: report, after: "\(restarts) restarts")
            try await expectUntouched(mount, in: "steady")
        }

        @Test func noCallFailsWhileThePackageIsUpgraded() async throws {
            let (package, version) = try await host.makeUpgrade()
            try await host.start("steady", volumes: "steady:/data")
            let mount = try await host.mount(at: "/data", in: "steady")
            try await host.withPackageReinstalled {
                let old = try await host.property("MainPID", of: "mobyfs.service")
                let report = try await CallStream.run(on: host) { stream in
                    try await host.install(package)
                    try await stream.waitForProgress()
                }
                #expect(try await host.installedVersion() == version)
                #expect(try await host.property("MainPID", of: "mobyfs.service") != old, "the old program still runs")
                try await expectNoFailure(in: report, after: "an upgrade")
                try await expectUntouched(mount, in: "steady")
            }
        }

        private func expectNoFailure(in report: CallStream.Report, after event: String) async throws {
            print("\(report.rounds) rounds of calls over \(event), slowest call \(report.slowestMilliseconds) ms")
            #expect(report.failures == [])
            #expect(try await host.volumeNames() == ["steady"], "every volume of the stream was removed again")
            #expect(try await host.heldVolumes() == ["steady"])
        }

        /// The container has the very mount it had, and it still is the volume.
        private func expectUntouched(_ mount: String, in container: String) async throws {
            #expect(!mount.isEmpty)
            #expect(try await host.mount(at: "/data", in: container) == mount)
            try await host.expectHeld(container)
            try await host.exec(container, "echo on >/data/f")
            #expect(try await host.read("\(host.inspectVolume(container).mountpoint)/f") == "on")
            try await host.docker("rm", "-f", container)
            try await host.waitUntilFree(container)
        }
    }
}
