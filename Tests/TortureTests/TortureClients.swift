// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing
import TortureSupport

/// Several clients that work with one daemon at once.
struct TortureClients: Sendable {
    private let clients: [TortureClient]

    init(_ count: Int, seed: UInt64) {
        let drivers =
            geteuid() == 0 && LoopDevice.obstacle == nil ? ["directory", "directory", "image"] : ["directory"]
        clients = (0..<count).map { TortureClient(number: $0, seed: seed, drivers: drivers) }
    }

    var findings: [TortureClient.Finding] {
        get async {
            var all: [TortureClient.Finding] = []
            for client in clients { all += await client.findings }
            return all
        }
    }

    var acknowledged: Int {
        get async {
            var sum = 0
            for client in clients { sum += await client.acknowledged }
            return sum
        }
    }

    /// All of them make calls until the daemon is gone.
    ///
    /// - Parameters:
    ///   - daemon: The daemon.
    ///   - calls: How many calls each makes at most.
    func work(with daemon: RunningDaemon, calls: Int = .max) async {
        await withTaskGroup { group in
            for client in clients { group.addTask { await client.work(with: daemon, calls: calls) } }
        }
    }

    /// All of them compare what there is with what they were told.
    func verify(_ daemon: RunningDaemon, isThorough: Bool = false) async throws {
        do {
            try await withThrowingTaskGroup { group in
                for client in clients { group.addTask { try await client.verify(daemon, isThorough: isThorough) } }
                try await group.waitForAll()
            }
        } catch {
            throw NotVerified(cause: error, output: try daemon.output)
        }
    }

    private struct NotVerified: Error {
        let cause: any Error
        let output: String
    }

    /// What is left once every volume was let go of and removed.
    func leaks(of daemon: RunningDaemon) async throws -> [TortureClient.Finding] {
        let volumes = daemon.data.appending("volumes")
        for name in try Directories.entries(of: volumes) {
            for id in try await heldIDs(of: name, daemon) {
                _ = try await daemon.call("VolumeDriver.Unmount", #"{"Name":"\#(name)","ID":"\#(id)"}"#)
            }
            _ = try await daemon.call("VolumeDriver.Remove", #"{"Name":"\#(name)"}"#)
        }
        let folders = [volumes, daemon.data.appending("trash"), daemon.runtime.appending("holders")]
        func leaks() throws -> [String] {
            try folders.flatMap { folder in try Directories.entries(of: folder).map { "\(folder)/\($0)" } }
                + MountTable().entries.map(\.mountpoint)
                .filter { $0.starts(with: daemon.root) && $0 != daemon.runtime }.map { "mount \($0)" }
                + attachedDevices(below: daemon.root)
        }
        do {
            try await eventually("nothing is left") { try leaks().isEmpty }
            return []
        } catch is NotInTime {
            return try leaks().map { TortureClient.Finding(kind: .leaked, description: $0) }
        }
    }

    private func attachedDevices(below root: FilePath) throws -> [String] {
        try LoopDevice.backingFiles().filter { $0.file.string.hasPrefix(root.string) }.map { $0.device.path.string }
    }

    private func heldIDs(of name: String, _ daemon: RunningDaemon) async throws -> [String] {
        let control = try Wire(daemon.runtime.appending("control.sock"))
        let reply = try await control.exchange(Wire.post("/Control.InspectVolume", #"{"Name":"\#(name)"}"#))
        return reply.split(separator: #""Id":""#).dropFirst().map { String($0.prefix { $0 != "\"" }) }
    }
}
