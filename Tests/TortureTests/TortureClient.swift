// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSTesting
import SystemPackage

/// Works on volumes of its own, one call after the other, and remembers what it was told.
///
/// Where a call was cut off, what it asks for may have been done or not: ``verify(_:)`` takes either for right, and goes
/// on with what it found.
actor TortureClient {
    /// Something that is not as it was acknowledged.
    struct Finding: Hashable, Sendable, CustomStringConvertible {
        let kind: Torture.Loss
        let description: String
    }

    private let names: [String]
    private let drivers: [String]
    private var generator: SeededGenerator
    private var model = VolumeModel()
    /// What else may be so.
    private var alternative: VolumeModel?
    private var counter = 0
    private(set) var acknowledged = 0
    private(set) var findings: [Finding] = []

    init(number: Int, seed: UInt64, drivers: [String]) {
        names = (0..<3).map { "c\(number)-\($0)" }
        self.drivers = drivers
        generator = SeededGenerator(seed: seed &+ UInt64(number))
    }

    /// Makes one call after the other until the daemon is gone.
    func work(with daemon: RunningDaemon) async {
        do {
            let plugin = try daemon.connect()
            let control = try Wire(daemon.runtime.appending("control.sock"))
            while true {
                let call = nextCall()
                alternative = call.after
                let wire = call.socket == .plugin ? plugin : control
                let reply = try await wire.exchange(
                    Wire.post("/\(call.method)", String(decoding: call.body.encoded, as: UTF8.self)))
                guard let split = reply.firstRange(of: "\r\n\r\n"),
                    let value = try? JSONValue(parsing: Array(reply[split.upperBound...].utf8))
                else { return }
                alternative = nil
                if let error = value["Err"]?.string, !error.isEmpty {
                    guard !call.refusals.contains(where: error.contains) else { continue }
                    findings.append(Finding(kind: .wrong, description: "\(call.method) \(call.body): \(error)"))
                    continue
                }
                acknowledged += 1
                model = call.after
                if call.method == "VolumeDriver.Mount", let path = value["Mountpoint"]?.string {
                    try write(in: FilePath(path), name: call.body["Name"]?.string ?? "")
                }
            }
        } catch {
            // It is gone; that is what this is about.
        }
    }

    private func write(in folder: FilePath, name: String) throws {
        counter += 1
        let text = "\(name) \(counter)"
        try folder.appending("file").write(text)
        model.volumes[name]?.content = text
    }

    // MARK: - Choosing

    private func nextCall() -> TortureCall {
        let name = names.randomElement(using: &generator) ?? names[0]
        counter += 1
        guard let volume = model.volumes[name] else { return create(name) }
        switch Int.random(in: 0..<9, using: &generator) {
        case 0, 1: return mount(name, volume)
        case 2, 3: return unmount(name, volume)
        case 4: return remove(name, volume)
        case 5: return set(name, volume)
        case 6: return snapshot(name, volume)
        case 7: return restore(name, volume)
        default: return rename(name, volume)
        }
    }

    private func call(
        _ method: String, _ body: [String: JSONValue], on socket: TortureCall.Socket = .plugin,
        refusals: [String] = [], _ change: (inout VolumeModel) -> Void
    ) -> TortureCall {
        var after = model
        change(&after)
        return TortureCall(
            socket: socket, method: (socket == .plugin ? "VolumeDriver." : "Control.") + method,
            body: .object(body), after: after, refusals: refusals)
    }

    private func create(_ name: String) -> TortureCall {
        let driver = drivers.randomElement(using: &generator) ?? "directory"
        let size = driver == "image" ? "16MiB" : nil
        var options: [String: JSONValue] = ["driver": .string(driver)]
        options["size"] = size.map { .string($0) }
        return call("Create", ["Name": .string(name), "Opts": .object(options)]) {
            $0.volumes[name] = VolumeModel.Volume(driver: driver, size: size)
        }
    }

    private func remove(_ name: String, _ volume: VolumeModel.Volume) -> TortureCall {
        call("Remove", ["Name": .string(name)], refusals: volume.holders.isEmpty ? [] : ["is in use"]) {
            if volume.holders.isEmpty { $0.volumes[name] = nil }
        }
    }

    private func mount(_ name: String, _ volume: VolumeModel.Volume) -> TortureCall {
        let id = "m\(counter)"
        return call("Mount", ["Name": .string(name), "ID": .string(id)]) {
            $0.volumes[name]?.holders[id, default: 0] += 1
        }
    }

    private func unmount(_ name: String, _ volume: VolumeModel.Volume) -> TortureCall {
        let id = volume.holders.keys.min() ?? "none"
        return call("Unmount", ["Name": .string(name), "ID": .string(id)]) {
            $0.volumes[name]?.holders[id] = nil
        }
    }

    private func set(_ name: String, _ volume: VolumeModel.Volume) -> TortureCall {
        let mode = ["0700", "0750", "0755", "0775"].randomElement(using: &generator) ?? "0700"
        return call("SetVolume", ["Name": .string(name), "Options": .object(["mode": .string(mode)])], on: .control) {
            $0.volumes[name]?.mode = mode
        }
    }

    private func snapshot(_ name: String, _ volume: VolumeModel.Volume) -> TortureCall {
        let label = "s\(counter)"
        let refusals = volume.holders.isEmpty ? [] : ["is in use"]
        return call(
            "CreateSnapshot", ["Name": .string(name), "Snapshot": .string(label)], on: .control, refusals: refusals
        ) {
            $0.volumes[name]?.snapshots[label] = .some(volume.content)
        }
    }

    private func restore(_ name: String, _ volume: VolumeModel.Volume) -> TortureCall {
        guard let (label, content) = volume.snapshots.min(by: { $0.key < $1.key }) else {
            return snapshot(name, volume)
        }
        let isHeld = !volume.holders.isEmpty
        return call(
            "RestoreSnapshot", ["Name": .string(name), "Snapshot": .string(label)], on: .control,
            refusals: isHeld ? ["is in use"] : []
        ) {
            if !isHeld { $0.volumes[name]?.content = content }
        }
    }

    private func rename(_ name: String, _ volume: VolumeModel.Volume) -> TortureCall {
        let free = names.filter { model.volumes[$0] == nil }
        guard let other = free.randomElement(using: &generator) else { return mount(name, volume) }
        let isHeld = !volume.holders.isEmpty
        return call(
            "RenameVolume", ["Name": .string(name), "NewName": .string(other)], on: .control,
            refusals: isHeld ? ["is in use"] : []
        ) {
            guard !isHeld else { return }
            $0.volumes[name] = nil
            $0.volumes[other] = volume
        }
    }

    // MARK: - Comparing

    /// Compares what there is with what was acknowledged, and goes on with what there is.
    ///
    /// - Parameters:
    ///   - daemon: The daemon that was started anew.
    ///   - isThorough: Whether volumes are mounted to look into them.
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

    private func observe(
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
        guard isThorough else { return model.volumes[name]?.content ?? alternative?.volumes[name]?.content }
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
    fileprivate func isBorneOut(by model: VolumeModel) -> Bool {
        guard Set(volumes.keys) == Set(model.volumes.keys) else { return false }
        return volumes.allSatisfy { name, found in
            guard var expected = model.volumes[name] else { return false }
            expected.snapshots = expected.snapshots.mapValues { _ in .none }
            return found == expected
        }
    }
}
