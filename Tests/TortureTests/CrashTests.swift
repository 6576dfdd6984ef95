// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing
import TortureSupport

/// The daemon is killed again and again while many clients work with it, and must have forgotten nothing.
@Suite(.serialized, .timeLimit(.minutes(180))) struct CrashTests {
    private let seed = UInt64.random(in: 0...UInt64.max)

    @Test func nothingAcknowledgedIsLostWhenItIsKilledAtAnyMoment() async throws {
        let kills = Torture.isFull ? 2000 : 20
        try await survive("kill -9 at a random moment") { root, clients in
            for kill in 0..<kills {
                try await withDaemon(in: root) { daemon in
                    try await clients.verify(daemon, isThorough: kill % 25 == 0)
                    await withTaskGroup { group in
                        group.addTask { await clients.work(with: daemon) }
                        group.addTask {
                            // From a thousandth of a second to a whole one; of no interest if it is cut short.
                            try? await Task.sleep(for: .milliseconds(pow(10, .random(in: 0...3))))
                            daemon.send(SIGKILL)
                        }
                    }
                }
            }
            return kills
        }
    }

    @Test(.enabled(if: CrashPoints.obstacle == nil, "\(CrashPoints.obstacle ?? "")"))
    func nothingAcknowledgedIsLostWhenItIsKilledAtAnyStep() async throws {
        try await survive("kill -9 before and after each durable step") { [seed] root, clients in
            let points = try await CrashPoints(in: root, share: Torture.isFull ? 1 : 24, seed: seed)
            // Done, once clients have long been at work and have reached no step that is new.
            var quiet = 0
            while quiet < (Torture.isFull ? 10 : 1) {
                let kills = try points.count
                do {
                    try await withDaemon(in: root, environment: points.environment) { daemon in
                        await clients.work(with: daemon, calls: Torture.isFull ? 100 : 20)
                    }
                } catch let error as RunningDaemon.NeverHappened {
                    // It may well be killed before it is ready.
                    guard try points.count > kills else { throw error }
                }
                quiet = try points.count > kills ? 0 : quiet + 1
                try await withDaemon(in: root) { try await clients.verify($0) }
            }
            return try points.count
        }
    }

    /// Breaks a daemon, compares what is there with what its clients were told, and looks for what is left over.
    private func survive(
        _ fault: String, _ breaking: @escaping @Sendable (FilePath, TortureClients) async throws -> Int
    ) async throws {
        let clients = TortureClients(16, seed: seed)
        let (times, leaks) = try await withTemporaryDirectory { root in
            // As /run is, where Mounts are noted while the engine waits.
            let runtime = root.appending("run")
            try Directories.create(runtime, mode: 0o755)
            if Machine.isRoot { try Mounts.mount(type: "tmpfs", source: "none", at: runtime) }
            defer { umount2(runtime.string, CInt(MNT_DETACH)) }
            let times = try await breaking(root, clients)
            return try await withDaemon(in: root) { daemon in
                try await clients.verify(daemon, isThorough: true)
                return (times, try await clients.leaks(of: daemon))
            }
        }
        let findings = await clients.findings + leaks
        Torture.note(fault, times: times, acknowledged: await clients.acknowledged, findings.map(\.kind))
        for finding in findings.prefix(10) { Issue.record("seed \(seed): \(finding)") }
    }
}
