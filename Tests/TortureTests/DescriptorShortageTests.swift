// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing
import TortureSupport

/// A daemon that may have next to no descriptors.
@Suite(.timeLimit(.minutes(5)), .enabled(if: Machine.isRoot && LoopDevice.obstacle == nil, "needs root, loop devices"))
struct DescriptorShortageTests {
    private static let calls = 12

    @Test(arguments: [24, 40]) func eachCallIsAnsweredAndNoVolumeIsLost(limit: Int) async throws {
        try await withTemporaryDirectory { root in
            let begin = ContinuousClock.now
            let created = try await withShortDaemon(in: root, limit: limit) { socket in
                await Self.atOnce(Self.calls) { number in
                    let body = #"{"Name":"v\#(number)","Opts":{"driver":"image","fs":"ext4","size":"20M"}}"#
                    return await Self.isGranted("VolumeDriver.Create", body, at: socket)
                }
            }
            var findings: [Torture.Loss] = ContinuousClock.now - begin > .seconds(60) ? [.hung] : []
            findings += try await lost(created, in: root)
            Torture.note("\(limit) descriptors", times: Self.calls, acknowledged: created.count, findings)
            #expect(findings == [])
        }
    }

    /// Who holds a volume cannot always be looked at; it holds it all the same.
    @Test(arguments: [30, 36]) func nothingThatIsHeldIsRemoved(limit: Int) async throws {
        try await withTemporaryDirectory { root in
            let held = try await withDaemon(in: root) { daemon in
                for number in 0..<Self.calls {
                    _ = try await daemon.call("VolumeDriver.Create", #"{"Name":"v\#(number)"}"#)
                    _ = try await daemon.call("VolumeDriver.Mount", #"{"Name":"v\#(number)","ID":"\#(number)"}"#)
                }
                return Set(0..<Self.calls)
            }
            let removed = try await withShortDaemon(in: root, limit: limit) { socket in
                await Self.atOnce(Self.calls) { number in
                    // Each over a connection of its own, that is kept.
                    guard let wire = try? Wire(socket, patience: 120) else { return false }
                    for round in 0..<Self.calls * 5 {
                        let body = #"{"Name":"v\#((number + round) % Self.calls)"}"#
                        let request = Wire.post("/VolumeDriver.Remove", body)
                        if (try? await wire.exchange(request))?.hasSuffix("\r\n\r\n{}") == true { return true }
                    }
                    return false
                }
            }
            var findings = removed.map { _ in Torture.Loss.lost }
            findings += try await lost(held, in: root)
            Torture.note(
                "\(limit) descriptors, volumes held", times: Self.calls * Self.calls * 5, acknowledged: held.count,
                findings)
            #expect(findings == [])
        }
    }

    /// Runs `body` with a daemon that may have so many descriptors.
    ///
    /// It may end: libdispatch ends a process that lets it open no file. A service manager starts it anew, and nothing is
    /// lost for that.
    private func withShortDaemon<Result: Sendable>(
        in root: FilePath, limit: Int, _ body: @escaping @Sendable (_ socket: FilePath) async throws -> Result
    ) async throws -> Result {
        try await withDaemon(in: root, launcher: ["/usr/bin/prlimit", "--nofile=\(limit)"]) { daemon in
            try await body(daemon.socket)
        }
    }

    /// - Returns: Those for which it was granted, of so many that ask at once.
    private static func atOnce(
        _ count: Int, _ isGranted: @escaping @Sendable (_ number: Int) async -> Bool
    ) async -> Set<Int> {
        await withTaskGroup(of: Int?.self) { group in
            for number in 0..<count { group.addTask { await isGranted(number) ? number : nil } }
            return await group.reduce(into: []) { if let number = $1 { $0.insert(number) } }
        }
    }

    private static func isGranted(_ method: String, _ body: String, at socket: FilePath) async -> Bool {
        // As long as an engine waits for it.
        let wire = try? Wire(socket, patience: 120)
        let reply = try? await wire?.exchange(Wire.post("/\(method)", body))
        return reply?.hasSuffix("\r\n\r\n{}") == true
    }

    /// Which of the volumes that were acknowledged a daemon with enough descriptors does not have.
    private func lost(_ numbers: Set<Int>, in root: FilePath) async throws -> [Torture.Loss] {
        try await withDaemon(in: root) { daemon in
            let list = try await daemon.call("VolumeDriver.List", "{}")
            return numbers.filter { !list.contains(#""Name":"v\#($0)""#) }.map { _ in .lost }
        }
    }
}
