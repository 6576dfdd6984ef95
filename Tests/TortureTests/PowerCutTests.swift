// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing
import TortureSupport

/// The power is cut at any moment, again and again, while many clients work: what is on the disk then must do.
@Suite(
    .timeLimit(.minutes(60)), .serialized,
    .enabled(if: PowerCutDisk.isAvailable, "needs root, loop devices, and ext4, xfs and btrfs"))
struct PowerCutTests {
    private static let clients = 16
    private static let drivers = Torture.isFull ? [["directory"], ["image"]] : [["directory", "directory", "image"]]

    /// What is on a disk at some moment, and what each client may say of it.
    private struct Cut {
        let copy: PowerCutDisk.Copy
        let trails: [[VolumeModel]]
    }

    @Test(arguments: PowerCutDisk.FileSystem.allCases, drivers)
    func nothingThatWasAcknowledgedIsLostWhenThePowerIsCut(
        _ type: PowerCutDisk.FileSystem, _ drivers: [String]
    ) async throws {
        var findings: [TortureClient.Finding] = []
        var acknowledged = 0
        let (rounds, cuts) = Torture.isFull ? (12, 8) : (1, 2)
        for _ in 0..<rounds {
            let seed = UInt64.random(in: 0...UInt64.max)
            let clients = (0..<Self.clients).map { TortureClient(number: $0, seed: seed, drivers: drivers) }
            for client in clients { await client.writeDurably() }
            try await PowerCutDisk.with(type) { disk in
                for (number, cut) in try await self.cut(disk, cuts, clients, seed: seed).enumerated() {
                    let found = try await self.findings(in: cut, clients)
                    for finding in found.prefix(5) {
                        Issue.record("seed \(seed), cut \(number) of \(type): \(finding.kind): \(finding)")
                    }
                    findings += found
                    try cut.copy.discard()
                }
            }
            acknowledged += await self.acknowledged(clients)
        }
        Torture.note(
            "power cut, \(Set(drivers).sorted().joined(separator: " and ")) on \(type)", times: rounds * cuts,
            acknowledged: acknowledged, findings.map(\.kind))
        #expect(acknowledged > 0)
    }

    /// Copies the disk again and again while the clients work with a daemon on it.
    private func cut(
        _ disk: PowerCutDisk, _ times: Int, _ clients: [TortureClient], seed: UInt64
    ) async throws -> [Cut] {
        try await disk.original.mounted { root in
            try await withDaemon(in: root) { daemon in
                try await withThrowingTaskGroup(of: [Cut]?.self) { group in
                    for client in clients {
                        group.addTask {
                            await client.work(with: daemon, calls: .max)
                            return nil
                        }
                    }
                    group.addTask { try await self.cuts(of: disk, times, clients, seed: seed) }
                    let first = try await group.next() ?? nil
                    // One that ends before it is told to has waited in vain, or could not write.
                    let log = try daemon.output.suffix(2000)
                    #expect(first != nil, "a client has ended: \(log)")
                    daemon.send(SIGKILL)
                    var cuts = first
                    for try await more in group { cuts = cuts ?? more }
                    return cuts ?? []
                }
            }
        }
    }

    private func cuts(
        of disk: PowerCutDisk, _ times: Int, _ clients: [TortureClient], seed: UInt64
    ) async throws -> [Cut] {
        var generator = SeededGenerator(seed: seed)
        var cuts: [Cut] = []
        for number in 0..<times {
            let goal = await acknowledged(clients) + .random(in: 1...100, using: &generator)
            try await eventually(within: .seconds(60), "\(goal) calls are acknowledged") {
                await acknowledged(clients) >= goal
            }
            for client in clients { await client.beginCut() }
            let copy = try await BlockingWork.run { try disk.copy(number) }
            var trails: [[VolumeModel]] = []
            for client in clients { trails.append(await client.endCut()) }
            cuts.append(Cut(copy: copy, trails: trails))
        }
        return cuts
    }

    private func acknowledged(_ clients: [TortureClient]) async -> Int {
        var sum = 0
        for client in clients { sum += await client.acknowledged }
        return sum
    }

    /// What a daemon that starts on a copy does not have as it was acknowledged, and what it cannot get rid of.
    private func findings(in cut: Cut, _ clients: [TortureClient]) async throws -> [TortureClient.Finding] {
        try await cut.copy.mounted { root in
            try await withDaemon(in: root) { daemon in
                var findings: [TortureClient.Finding] = []
                try await withThrowingTaskGroup(of: [TortureClient.Finding].self) { group in
                    for (client, trail) in zip(clients, cut.trails) {
                        group.addTask { try await client.findings(in: daemon, after: trail) }
                    }
                    for try await more in group { findings += more }
                }
                guard findings.isEmpty else { return findings }
                for folder in ["volumes", "trash", "quarantine"].map({ daemon.data.appending($0) }) {
                    do {
                        try await eventually("'\(folder)' is empty") { try Directories.entries(of: folder).isEmpty }
                    } catch is NotInTime {
                        let rest = try Directories.entries(of: folder)
                        findings.append(
                            TortureClient.Finding(kind: .leaked, description: "\(rest) in '\(folder)'"))
                    }
                }
                return findings
            }
        }
    }
}
