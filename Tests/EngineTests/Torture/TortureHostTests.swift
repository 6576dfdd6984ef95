// SPDX-License-Identifier: Apache-2.0

import Testing
import TortureSupport

extension EngineTests {
    /// The host, its engine and mobyfs go down at any moment, with containers running: nothing is forgotten, nothing held by the
    /// dead, nothing unmounted under the living.
    ///
    /// `make torture` does each 25 times; `make test` once or twice.
    @Suite struct TortureHostTests {
        private static let rounds = Torture.isFull ? 25 : 2

        let host = EngineHost.shared

        @Test func rebootsAndPowerCuts() async throws {
            try await torture("reboot, every other a power cut", { try await host.reboot() }) { torture, number in
                try await torture.round(.nothing) {
                    if number.isMultiple(of: 2) { try await host.cutPower() } else { try await host.reboot() }
                }
            }
        }

        @Test func engineCrashes() async throws {
            try await torture("engine killed, alone or with others", { try await host.killEngine() }) {
                torture, number in
                try await torture.round(.memory) {
                    switch number % 4 {
                    case 1: break
                    case 2: try await host.bash("systemctl kill -s KILL --kill-who=main mobyfs.service || true")
                    case 3: try await host.bash("systemctl kill -s KILL --kill-who=main containerd.service || true")
                    default: try await host.bash("pkill -KILL -f '^/usr/bin/containerd-shim' || true")
                    }
                    try await host.killEngine()
                }
            }
        }

        @Test func containersLiveOnWithoutTheirEngine() async throws {
            let (upgrade, _) = try await host.makeUpgrade()
            let restart = "systemctl reset-failed docker.service; systemctl restart docker.service"
            try await host.withPackageReinstalled {
                try await host.withFile("/etc/docker/daemon.json", #"{"live-restore": true}"#, apply: restart) {
                    try await torture(
                        "live-restore, with mobyfs restarted, killed, upgraded", { try await host.killEngine() }
                    ) {
                        torture, number in
                        try await torture.round(.all) { try await goThrough(number, upgrade: upgrade) }
                    }
                }
            }
        }

        private func goThrough(_ number: Int, upgrade: String) async throws {
            let killMobyFS = "systemctl kill -s KILL --kill-who=main mobyfs.service"
            switch number % 5 {
            case 1:
                try await host.bash("\(killMobyFS) || true")
                try await host.killEngine()
            case 2:
                // To the higher version and back again, in turn.
                async let install =
                    number.isMultiple(of: 2) ? try await host.install(upgrade) : try await host.install()
                try await host.killEngine()
                _ = try await install
            case 3:
                async let engine: Void = host.restartEngine()
                try await host.run("systemctl", "restart", "mobyfs.service")
                try await engine
            case 4: try await host.killEngine()
            default:
                async let engine: Void = host.restartEngine()
                try await host.bash("\(killMobyFS) || true")
                try await engine
            }
        }

        /// Does one torture from its preparation to its report.
        ///
        /// `quiet` is the fault as it is measured with the engine's own volumes, when there is time for that.
        private func torture(
            _ fault: String, _ quiet: () async throws -> Void, round: (inout HostTorture, Int) async throws -> Void
        ) async throws {
            let baseline = Torture.isFull ? try await self.baseline(quiet) : []
            var torture = HostTorture(fault, on: host)
            do {
                try await torture.prepare()
                for number in 1...Self.rounds { try await round(&torture, number) }
            } catch {
                torture.report()
                try await torture.cleanUp()
                throw error
            }
            torture.report(baseline: baseline)
            try await torture.cleanUp()
        }

        /// How long the engine's start takes with as many containers on volumes of its own.
        private func baseline(_ fault: () async throws -> Void) async throws -> [Duration] {
            for resident in Resident.all { try await host.start(resident, driver: "local") }
            var starts: [Duration] = []
            for _ in 1...3 {
                try await fault()
                starts.append(try await host.engineStart())
            }
            try await host.reset()
            return starts
        }
    }
}
