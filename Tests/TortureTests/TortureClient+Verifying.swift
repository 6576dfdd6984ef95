// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSTesting
import SystemPackage
import TortureSupport

extension TortureClient {
    /// Compares what there is with what was acknowledged, and goes on with what there is.
    ///
    /// - Parameters:
    ///   - daemon: The daemon that was started anew.
    ///   - isThorough: Whether volumes are mounted to look into them.
    /// - Throws: What the daemon's sockets do.
    func verify(_ daemon: RunningDaemon, isThorough: Bool) async throws {
        var found = VolumeModel()
        let control = try Wire(daemon.runtime.appending("control.sock"))
        for name in names {
            guard let volume = try await observe(name, daemon, control, isThorough) else { continue }
            found.volumes[name] = volume
        }
        let candidates = [model] + (alternative.map { [$0] } ?? [])
        guard !candidates.contains(where: { found.isBorneOut(by: $0) }) else {
            model = candidates.first { found.isBorneOut(by: $0) } ?? model
            alternative = nil
            return
        }
        findings.append(
            Finding(
                kind: .lost,
                description: "found \(found.volumes), acknowledged \(model.volumes)"
                    + (alternative.map { ", or \($0.volumes)" } ?? "")))
        model = found
        alternative = nil
    }

    func observe(
        _ name: String, _ daemon: RunningDaemon, _ control: Wire, _ isThorough: Bool
    ) async throws -> VolumeModel.Volume? {
        func ask(_ method: String) async throws -> JSONValue {
            let reply = try await control.exchange(Wire.post("/Control.\(method)", #"{"Name":"\#(name)"}"#))
            guard let split = reply.firstRange(of: "\r\n\r\n") else { throw CancellationError() }
            return try JSONValue(parsing: Array(reply[split.upperBound...].utf8))
        }
        let details = try await ask("InspectVolume")
        if let error = details["Err"]?.string, error.contains("no such volume") { return nil }
        guard let driver = details["Driver"]?.string else {
            findings.append(Finding(kind: .lost, description: "\(name) cannot be served: \(details)"))
            return nil
        }
        var volume = VolumeModel.Volume(driver: driver)
        volume.size = details["Options"]?["size"]?.string
        volume.mode = details["Options"]?["mode"]?.string
        for holder in details["Holders"]?.array ?? [] {
            guard let id = holder["Id"]?.string, case .integer(let count) = holder["Count"] else { continue }
            volume.holders[id] = Int(count)
        }
        for snapshot in try await ask("ListSnapshots")["Snapshots"]?.array ?? [] {
            if let label = snapshot["Name"]?.string { volume.snapshots[label] = .some(nil) }
        }
        volume.content = try await content(of: name, volume, daemon, isThorough)
        return volume
    }

    private func content(
        of name: String, _ volume: VolumeModel.Volume, _ daemon: RunningDaemon, _ isThorough: Bool
    ) async throws -> String? {
        guard volume.holders.isEmpty, volume.driver == "image" else {
            let folder =
                volume.driver == "image"
                ? daemon.runtime.appending("mounts/\(name)/data") : daemon.data.appending("volumes/\(name)/data")
            return try? folder.appending("file").text  // none: nothing was written
        }
        let (expected, possible) = (model.volumes[name]?.content, alternative?.volumes[name]?.content)
        // Not looked at each time, but whenever a call that was cut off may have changed it.
        let isCertain = alternative?.volumes[name] == nil || expected == possible
        guard isThorough || !isCertain else { return expected ?? possible }
        let request = #"{"Name":"\#(name)","ID":"verify"}"#
        let reply = try await daemon.call("VolumeDriver.Mount", request)
        guard let path = try JSONValue(parsing: Array(reply.utf8))["Mountpoint"]?.string else {
            findings.append(Finding(kind: .lost, description: "\(name) cannot be mounted: \(reply)"))
            return nil
        }
        let text = try? FilePath(path).appending("file").text  // none: nothing was written
        _ = try await daemon.call("VolumeDriver.Unmount", request)
        return text
    }
}

extension VolumeModel {
    /// Whether this, which was found, is what a model says; of snapshots only their names are seen.
    func isBorneOut(by model: VolumeModel) -> Bool {
        guard Set(volumes.keys) == Set(model.volumes.keys) else { return false }
        return volumes.allSatisfy { name, found in
            guard var expected = model.volumes[name] else { return false }
            expected.snapshots = expected.snapshots.mapValues { _ in .none }
            return found == expected
        }
    }
}
