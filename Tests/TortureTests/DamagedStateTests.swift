// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import FoundationEssentials
import Glibc
import MobyFSHost
import MobyFSTesting
import Subprocess
import SystemPackage
import Testing
import TortureSupport

/// What is on the disk is not what the daemon has written: all other volumes are served, the damaged ones told of and
/// repaired, and no data is lost.
@Suite(.timeLimit(.minutes(60))) struct DamagedStateTests {
    private static let options = #"{"mode":"0750","on-remove":"trash","uid":"1000"}"#
    private static let good = (0..<8).map { "good\($0)" }

    @Test func oneDamagedVolumeIsToldOfAndRepairedAndTheOthersAreServed() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                for name in Self.good { try await Self.create(name, daemon) }
            }
            let volumes = root.appending("data/volumes")
            let record = try DurableFile.read(volumes.appending("good0/record.json"))
            let damage = Damage.all(to: record, isFull: Torture.isFull, using: &generator)
            for (number, damage) in damage.enumerated() {
                let directory = volumes.appending("d\(number)")
                try Self.copy(volumes.appending("good0"), to: directory)
                try damage.inflict(directory)
            }
            let findings = try await Self.check(damage, in: root)
            Torture.note("damaged record or folder", times: damage.count, acknowledged: damage.count, findings.map(\.0))
            for (kind, text) in findings.prefix(10) { Issue.record("seed \(seed): \(kind): \(text)") }
        }
    }

    private typealias Trouble = (Torture.Loss, String)

    private static func check(_ damage: [Damage], in root: FilePath) async throws -> [Trouble] {
        let before = try await withDaemon(in: root) { daemon -> [Trouble] in
            let listed = try await list(daemon)
            let dry = try await Doctor.run(in: root)
            var trouble = try await checkGood(daemon)
            if dry.status != 1 { trouble.append((.wrong, "doctor ends with \(dry.status)")) }
            for (number, damage) in damage.enumerated() {
                let (name, label) = ("d\(number)", damage.label)
                let isTold = dry.findings.contains { $0.name == name }
                switch (listed[name], damage.outcome) {
                case (nil, .gone): if !isTold { trouble.append((.wrong, "\(label): doctor does not tell")) }
                case (nil, _): trouble.append((.lost, "\(label): not listed"))
                case (let volume?, .unchanged):
                    if volume.error == nil, volume.options != options {
                        trouble.append((.wrong, "\(label): served with \(volume.options)"))
                    } else if volume.error != nil, !isTold {
                        trouble.append((.wrong, "\(label): doctor does not tell of \(volume.error ?? "")"))
                    }
                case (let volume?, _):
                    if volume.error == nil { trouble.append((.wrong, "\(label): not told of by List")) }
                    if !isTold { trouble.append((.wrong, "\(label): doctor does not tell")) }
                }
            }
            let fixed = try await Doctor.run("--fix", in: root)
            for finding in fixed.findings where finding.isRepairable != finding.isRepaired {
                trouble.append((.wrong, "\(finding.name): not repaired: \(finding.failure ?? "")"))
            }
            return try await trouble + checkRepaired(damage, daemon)
        }
        let after = try await withDaemon(in: root) { daemon in
            try await checkGood(daemon) + checkRepaired(damage, daemon)
        }
        return before + after
    }

    private static func checkGood(_ daemon: RunningDaemon) async throws -> [Trouble] {
        let listed = try await list(daemon)
        var trouble: [Trouble] = []
        for name in good {
            if listed[name]?.options != options || listed[name]?.error != nil {
                trouble.append((.lost, "\(name): \(listed[name]?.error ?? "not listed as it was")"))
            }
            let reply = try await daemon.call("VolumeDriver.Mount", #"{"Name":"\#(name)","ID":"m"}"#)
            if !reply.contains("/\(name)/data") { trouble.append((.wrong, "\(name): \(reply)")) }
            _ = try await daemon.call("VolumeDriver.Unmount", #"{"Name":"\#(name)","ID":"m"}"#)
        }
        return trouble
    }

    /// What is so after a repair, and after the next start.
    private static func checkRepaired(_ damage: [Damage], _ daemon: RunningDaemon) async throws -> [Trouble] {
        let listed = try await list(daemon)
        let left = try await Doctor.run(in: daemon.root)
        let removed = try Directories.entries(of: daemon.data.appending("trash"))
        var trouble: [Trouble] = []
        for (number, damage) in damage.enumerated() {
            let (name, label) = ("d\(number)", damage.label)
            let found = left.findings.filter { $0.name == name }
            let data = daemon.data.appending("volumes/\(name)/data/file")
            switch damage.outcome {
            case .unchanged, .restored:
                if let reason = found.first?.reason { trouble.append((.wrong, "\(label): still \(reason)")) }
                if listed[name]?.options != options || listed[name]?.error != nil {
                    trouble.append((.lost, "\(label): \(listed[name]?.error ?? "other options")"))
                }
                if (try? data.text) != "precious" { trouble.append((.lost, "\(label): the data")) }
            case .rebuilt:
                if listed[name]?.options != "{}" || listed[name]?.error != nil || !found.isEmpty {
                    trouble.append((.wrong, "\(label): not rebuilt"))
                }
                if (try? data.text) != "precious" { trouble.append((.lost, "\(label): the data")) }
            case .trashed:
                if listed[name] != nil || !found.isEmpty {
                    trouble.append((.wrong, "\(label): not taken to the trash"))
                }
                if !removed.contains(where: { $0.hasPrefix("\(name).") }) {
                    trouble.append((.lost, "\(label): not in the trash"))
                }
            case .told, .gone:
                if found.isEmpty { trouble.append((.wrong, "\(label): no longer told of")) }
                if damage.outcome == .told, listed[name]?.error == nil {
                    trouble.append((.wrong, "\(label): served"))
                }
            }
        }
        return trouble
    }

    // MARK: - Volumes

    private static func create(_ name: String, _ daemon: RunningDaemon) async throws {
        let reply = try await daemon.call("VolumeDriver.Create", #"{"Name":"\#(name)","Opts":\#(options)}"#)
        try #require(reply == "{}")
        try daemon.data.appending("volumes/\(name)/data/file").write("precious")
    }

    private static func copy(_ volume: FilePath, to directory: FilePath) throws {
        try Directories.create(directory.appending("data"), mode: 0o755, isDurable: false)
        for file in ["record.json", "record.json.copy", "data/file"] {
            let bytes = try DurableFile.read(volume.appending(file))
            try DurableFile.write(bytes, to: directory.appending(file), isDurable: false)
        }
    }

    private struct Listed {
        let options: String
        let error: String?
    }

    private static func list(_ daemon: RunningDaemon) async throws -> [String: Listed] {
        let reply = try JSONValue(parsing: Array(try await daemon.call("VolumeDriver.List", "{}").utf8))
        var listed: [String: Listed] = [:]
        guard case .array(let volumes)? = reply["Volumes"] else { return listed }
        for volume in volumes {
            let get = try await daemon.call("VolumeDriver.Get", #"{"Name":"\#(volume["Name"]?.string ?? "")"}"#)
            let status = try JSONValue(parsing: Array(get.utf8))["Volume"]?["Status"]
            listed[volume["Name"]?.string ?? ""] = Listed(
                options: String(decoding: (status?["options"] ?? .null).encoded, as: UTF8.self),
                error: status?["error"]?.string)
        }
        return listed
    }
}
