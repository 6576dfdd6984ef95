// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing
import TortureSupport

/// Clients that are slow, mute, boundless or many, while one that asks as an engine does wants its answers.
///
/// Its waiting is measured with and without them in turns, and told as a ratio. Only `make torture` insists on it, with
/// several tries, and of clients that stay: where two processors serve clients, daemon and other tests, a p99 is the
/// scheduler's as much as the daemon's. That all is answered, and what it takes in memory, descriptors and processor
/// time, is always insisted on.
@Suite(.serialized, .timeLimit(.minutes(60))) struct HostileClientTests {
    private static let rounds = Torture.isFull ? 10 : 1
    private static let calls = Torture.isFull ? 500 : 40

    init() throws {
        try DescriptorAllowance.raise()
    }

    private func withTarget(
        launcher: [String] = [], _ body: @escaping @Sendable (RunningDaemon, _ port: UInt16) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { root in
            let arguments = ["--listen", "tcp://127.0.0.1:0", "--listen", "unix://\(root)/s.sock"]
            try await withDaemon(in: root, arguments: arguments, launcher: launcher) { daemon in
                let digits = try daemon.output.firstRange(of: "tcp://127.0.0.1:").map { range in
                    try daemon.output[range.upperBound...].prefix { $0.isNumber }
                }
                let port = try #require(digits.flatMap { UInt16($0) })
                let created = try await daemon.call("VolumeDriver.Create", #"{"Name":"v"}"#)
                #expect(created == "{}")
                try await body(daemon, port)
            }
        }
    }

    @Test(arguments: Hostility.all) func othersAreServedAndNothingGrows(_ hostility: Hostility) async throws {
        try await withTarget { daemon, port in
            let door: Door =
                switch hostility.place {
                case .plugin: .unix(daemon.socket)
                case .control: .unix(daemon.runtime.appending("control.sock"))
                case .tcp: .tcp(port)
                }
            let client = try QuietClient(daemon)
            let insists = Torture.isFull && hostility.connectionsLast
            var tries: [Double] = []
            var losses: [Torture.Loss] = []
            repeat {
                let outcome = try await run(hostility, at: door, client, daemon)
                tries.append(outcome.ratio)
                losses += outcome.losses
            } while insists && losses.isEmpty && (tries.min() ?? 0) > 2 && tries.count < 5
            let ratio = tries.min() ?? 0
            Torture.note(
                "\(hostility.name) (p99 ×\((ratio * 10).rounded() / 10))", times: Self.rounds * hostility.connections,
                acknowledged: Self.rounds * Self.calls * 4 * tries.count, losses)
            if insists { #expect(ratio <= 2, "others wait longer, in each of \(tries.count) tries: \(tries)") }
        }
    }

    /// Measures with and without them in turns.
    private func run(
        _ hostility: Hostility, at door: Door, _ client: QuietClient, _ daemon: RunningDaemon
    ) async throws -> (ratio: Double, losses: [Torture.Loss]) {
        // What the first calls make for good is no growth.
        _ = try await BlockingWork.run { try client.measure(Self.calls) }
        let before = try DaemonUsage(daemon)
        var (quiet, hostile) = (QuietClient.Latencies(), QuietClient.Latencies())
        var losses: [Torture.Loss] = []
        var peak = 0
        for round in 0..<Self.rounds {
            quiet += try await BlockingWork.run { try client.measure(Self.calls) }
            let crowd = try Crowd(hostility, at: door)
            hostile += try await crowd.misbehave { goOn in try client.measure(Self.calls, between: goOn) }
            peak = max(peak, try DaemonUsage(daemon).residentBytes)
            if round == 0, hostility.isCalm {
                var load = try await DaemonUsage.idleLoad(of: daemon)
                // What they sent before they stalled may not all be read yet.
                for _ in 0..<5 where load >= 0.3 { load = try await DaemonUsage.idleLoad(of: daemon) }
                #expect(load < 0.3, "of one processor, for clients that do nothing")
            }
            withExtendedLifetime(crowd) {}
        }
        let growth = peak - before.residentBytes
        #expect(growth <= hostility.memoryBound, "bytes that \(hostility.connections) connections took")
        if growth > hostility.memoryBound { losses.append(.leaked) }
        do {
            try await eventually("the descriptors are given back") {
                try DaemonUsage(daemon).descriptors <= before.descriptors
            }
        } catch {
            Issue.record(error)
            losses.append(.leaked)
        }
        let ratio = max(hostile.p99.kept / quiet.p99.kept, hostile.p99.new / quiet.p99.new)
        return (ratio, losses)
    }
}
