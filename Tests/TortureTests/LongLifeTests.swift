// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing
import TortureSupport

/// A daemon that has served for long is as it was in the beginning: in memory, descriptors, and time for each call.
@Suite(.timeLimit(.minutes(180)), .serialized) struct LongLifeTests {
    private static let clients = 4
    private static let methods = ["Get", "Mount", "Unmount", "List"].map { "VolumeDriver.\($0)" }

    /// What a part of the calls has come to.
    private struct Part: Sendable {
        let sample: ProcessSample
        let processorTime: Duration
        let latencies: [String: [Duration]]

        /// How long so many of 100 calls took at most.
        func latency(_ method: String, percent: Int) -> Duration {
            let sorted = (latencies[method] ?? []).sorted()
            return sorted.isEmpty ? .zero : sorted[(sorted.count - 1) * percent / 100]
        }
    }

    @Test func aMillionCallsLeaveNothingBehind() async throws {
        let (volumes, calls) = Torture.isFull ? (10_000, 1_000_000) : (100, 3000)
        let seed = UInt64.random(in: 0...UInt64.max)
        let (parts, surprises) = try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                try await self.parts(with: daemon, volumes: volumes, calls: calls, seed: seed)
            }
        }
        // By then all caches are warm, and the heap has found its size.
        let (first, last) = (parts[parts.count / 2 - 1], parts[parts.count - 1])
        for part in parts { print("long life: \(Self.text(part))") }
        var findings = surprises.map { (kind: Torture.Loss.wrong, text: $0) }
        func require(_ condition: Bool, _ kind: Torture.Loss, _ what: String) {
            guard !condition else { return }
            findings.append((kind, "\(what): first \(Self.text(first)), last \(Self.text(last))"))
        }
        let room = first.sample.memoryBytes / 10 + (4 << 20)
        require(last.sample.memoryBytes <= first.sample.memoryBytes + room, .leaked, "memory")
        // It might have grown to a size that depends on the rate of calls.
        require(last.sample.memoryBytes <= (16 << 20) + volumes * 4096, .leaked, "memory for \(volumes) volumes")
        require(last.sample.descriptors <= first.sample.descriptors + 4, .leaked, "descriptors")
        require(last.sample.threads <= first.sample.threads + 8, .leaked, "threads")
        // Of no matter what else the machine does.
        require(last.processorTime <= first.processorTime * 2, .hung, "processor time")
        for method in Self.methods {
            for (percent, factor) in [(50, 3), (99, 6)] {
                let limit = first.latency(method, percent: percent) * factor + .milliseconds(100)
                require(last.latency(method, percent: percent) <= limit, .hung, "\(percent) % of \(method)")
            }
        }
        Torture.note(
            "\(calls) calls on \(volumes) volumes", times: calls, acknowledged: calls, findings.map(\.kind))
        for finding in findings { Issue.record("seed \(seed): \(finding.kind): \(finding.text)") }
    }

    private func parts(
        with daemon: RunningDaemon, volumes: Int, calls: Int, seed: UInt64
    ) async throws -> (parts: [Part], surprises: [String]) {
        let images = Machine.isRoot && LoopDevice.obstacle == nil
        var clients = (0..<Self.clients).map {
            LongLifeClient(number: $0, volumes: volumes / Self.clients, seed: seed)
        }
        try await Self.each(&clients) { try await $0.createAll(with: daemon) }
        var parts: [Part] = []
        var before = try ProcessSample(daemon.processID)
        for _ in 0..<10 {
            for index in clients.indices { clients[index].latencies = [:] }
            try await Self.each(&clients) {
                try await $0.work(calls / Self.clients / 10, with: daemon, images: images)
            }
            try await eventually(within: .seconds(60), "what was removed is deleted") {
                let reply = try await Wire(daemon.runtime.appending("control.sock")).exchange(
                    Wire.post("/Control.ListTrash", "{}"))
                return reply.contains(#""Items":[]"#)
            }
            let sample = try ProcessSample(daemon.processID)
            let latencies = clients.reduce(into: [:]) { $0.merge($1.latencies, uniquingKeysWith: +) }
            parts.append(
                Part(
                    sample: sample, processorTime: sample.processorTime - before.processorTime, latencies: latencies))
            before = sample
        }
        return (parts, clients.flatMap(\.surprises))
    }

    /// Lets all clients work at once.
    private static func each(
        _ clients: inout [LongLifeClient], _ body: @escaping @Sendable (inout LongLifeClient) async throws -> Void
    ) async throws {
        clients = try await withThrowingTaskGroup { group in
            for client in clients {
                group.addTask {
                    var client = client
                    try await body(&client)
                    return client
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    private static func text(_ part: Part) -> String {
        let latencies = methods.map { method in
            "\(method.dropFirst(13)) \(part.latency(method, percent: 50)) \(part.latency(method, percent: 99))"
        }
        return "\(part.sample.memoryBytes >> 10) KiB, \(part.sample.descriptors) descriptors, "
            + "\(part.sample.threads) threads, processor \(part.processorTime), \(latencies.joined(separator: ", "))"
    }
}
