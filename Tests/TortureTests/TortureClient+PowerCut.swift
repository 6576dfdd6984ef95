// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSHost
import MobyFSTesting
import SystemPackage
import TortureSupport

extension TortureClient {
    /// Lets files be on the disk before they count as written.
    func writeDurably() { isDurable = true }

    /// Notes what was acknowledged, and from now on what else may come to be so.
    func beginCut() { trail = [model] + (alternative.map { [$0] } ?? []) }

    /// All that may have been so at some time since ``beginCut()``.
    func endCut() -> [VolumeModel] {
        defer { trail = nil }
        return (trail ?? []).map(\.withoutHolders)
    }

    /// Compares what a power cut has left with what was acknowledged, and uses up all of it.
    ///
    /// - Parameters:
    ///   - daemon: One that was started on it.
    ///   - trail: What may be so.
    /// - Returns: What is not.
    /// - Throws: What the daemon's sockets do.
    func findings(in daemon: RunningDaemon, after trail: [VolumeModel]) async throws -> [Finding] {
        let control = try Wire(daemon.runtime.appending("control.sock"))
        let before = findings.count
        var found = VolumeModel()
        for name in names { found.volumes[name] = try await observe(name, daemon, control, true) }
        if let model = trail.first(where: { found.isBorneOut(by: $0) }) {
            for (name, volume) in model.volumes { try await use(name, volume, daemon, control) }
        } else {
            let states = trail.reduce(into: [VolumeModel]()) { if $0.last != $1 { $0.append($1) } }
            let expected = states.map { "\($0.volumes)" }.joined(separator: ", or ")
            findings.append(Finding(kind: .lost, description: "found \(found.volumes), acknowledged \(expected)"))
        }
        return Array(findings.dropFirst(before))
    }

    /// Restores a snapshot, mounts and removes the volume.
    private func use(
        _ name: String, _ volume: VolumeModel.Volume, _ daemon: RunningDaemon, _ control: Wire
    ) async throws {
        var content = volume.content
        if let (label, kept) = volume.snapshots.max(by: { $0.key < $1.key }) {
            try await ask(control, "Control.RestoreSnapshot", ["Name": .string(name), "Snapshot": .string(label)])
            content = kept?.content
        }
        let plugin = try daemon.connect()
        let mount: [String: JSONValue] = ["Name": .string(name), "ID": "use"]
        if let path = try await ask(plugin, "VolumeDriver.Mount", mount)["Mountpoint"]?.string, !path.isEmpty {
            let file = FilePath(path).appending("file")
            let text = try? file.text  // none: nothing was written
            if text != content {
                findings.append(
                    Finding(kind: .lost, description: "\(name) has '\(text ?? "nothing")', and had \(volume)"))
            }
            try file.write("used")
        }
        try await ask(plugin, "VolumeDriver.Unmount", mount)
        try await ask(plugin, "VolumeDriver.Remove", ["Name": .string(name)])
    }

    /// Makes a call that has to succeed.
    @discardableResult
    private func ask(_ wire: Wire, _ method: String, _ body: [String: JSONValue]) async throws -> JSONValue {
        let body = JSONValue.object(body)
        let reply = try await wire.exchange(Wire.post("/\(method)", String(decoding: body.encoded, as: UTF8.self)))
        guard let split = reply.firstRange(of: "\r\n\r\n") else { throw CancellationError() }
        let value = try JSONValue(parsing: Array(reply[split.upperBound...].utf8))
        if let error = value["Err"]?.string, !error.isEmpty {
            findings.append(Finding(kind: .lost, description: "\(method) \(body): \(error)"))
        }
        return value
    }
}

extension VolumeModel {
    /// The same without its mounts, which no power cut leaves.
    fileprivate var withoutHolders: Self {
        var copy = self
        copy.volumes = volumes.mapValues {
            var volume = $0
            volume.holders = [:]
            return volume
        }
        return copy
    }
}
