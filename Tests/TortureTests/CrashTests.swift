// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// The daemon is killed at any moment, again and again, while many clients work with it.
///
/// `make torture` does all of it; `make test` a short form.
@Suite(.timeLimit(.minutes(60))) struct CrashTests {
    private static let clients = 16

    @Test func nothingThatWasAcknowledgedIsLostWhenItIsKilled() async throws {
        let kills = Torture.isFull ? 2000 : 30
        let drivers =
            geteuid() == 0 && LoopDevice.obstacle == nil ? ["directory", "directory", "image"] : ["directory"]
        let seed = UInt64.random(in: 0...UInt64.max)
        let clients = (0..<Self.clients).map { TortureClient(number: $0, seed: seed, drivers: drivers) }
        var starts: [Duration] = []
        var leaks: [String] = []
        try await withTemporaryDirectory { root in
            for round in 0...kills {
                let begin = ContinuousClock.now
                let isLast = round == kills
                let start = try await withDaemon(in: root) { daemon in
                    let start = ContinuousClock.now - begin
                    for client in clients { try await client.verify(daemon, isThorough: isLast || round % 20 == 0) }
                    guard !isLast else { return start }
                    await withTaskGroup { group in
                        for client in clients { group.addTask { await client.work(with: daemon) } }
                        group.addTask {
                            // Of no interest if it is cut short.
                            try? await Task.sleep(for: .milliseconds(pow(10, .random(in: 0...3))))
                            daemon.send(SIGKILL)
                        }
                    }
                    return start
                }
                starts.append(start)
            }
            leaks = try await self.leaks(in: root)
        }
        var (findings, acknowledged): ([TortureClient.Finding], Int) = ([], 0)
        for client in clients {
            findings += await client.findings
            acknowledged += await client.acknowledged
        }
        Torture.note(
            "kill -9 at a random moment", times: kills, acknowledged: acknowledged,
            findings.map(\.kind) + leaks.map { _ in .leaked })
        for finding in findings.prefix(10) { Issue.record("seed \(seed): \(finding.kind): \(finding)") }
        for leak in leaks.prefix(10) { Issue.record("seed \(seed): leaked: \(leak)") }
    }

    /// What is left once every volume was let go of and removed.
    private func leaks(in root: FilePath) async throws -> [String] {
        try await withDaemon(in: root) { daemon in
            let volumes = daemon.data.appending("volumes")
            for name in try Directories.entries(of: volumes) {
                let holders = try await heldIDs(of: name, daemon)
                for id in holders {
                    _ = try await daemon.call("VolumeDriver.Unmount", #"{"Name":"\#(name)","ID":"\#(id)"}"#)
                }
                _ = try await daemon.call("VolumeDriver.Remove", #"{"Name":"\#(name)"}"#)
            }
            var leaks: [String] = []
            for folder in [volumes, daemon.data.appending("trash"), daemon.runtime.appending("holders")] {
                do {
                    try await eventually("'\(folder)' is empty") { try Directories.entries(of: folder).isEmpty }
                } catch is NotInTime {
                    leaks += try Directories.entries(of: folder).map { "\(folder)/\($0)" }
                }
            }
            leaks += try MountTable().entries.filter { $0.mountpoint.starts(with: root) }.map {
                "mount \($0.mountpoint)"
            }
            for entry in try Directories.entries(of: "/sys/block") where entry.hasPrefix("loop") {
                // Without the file it has none.
                let file = try? FilePath("/sys/block/\(entry)/loop/backing_file").text
                if let file, file.hasPrefix(root.string) { leaks.append("\(entry) with \(file)") }
            }
            return leaks
        }
    }

    private func heldIDs(of name: String, _ daemon: RunningDaemon) async throws -> [String] {
        let control = try Wire(daemon.runtime.appending("control.sock"))
        let reply = try await control.exchange(Wire.post("/Control.InspectVolume", #"{"Name":"\#(name)"}"#))
        return reply.split(separator: #""Id":""#).dropFirst().map { String($0.prefix { $0 != "\"" }) }
    }
}
