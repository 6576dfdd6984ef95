// SPDX-License-Identifier: Apache-2.0

import DockerPlugin

extension TortureClient {
    func nextCall() -> TortureCall {
        let name = names.randomElement(using: &generator) ?? names[0]
        counter += 1
        guard let volume = model.volumes[name] else { return create(name) }
        switch Int.random(in: 0..<10, using: &generator) {
        case 0, 1: return mount(name, volume)
        case 2, 3: return unmount(name, volume)
        case 4: return remove(name, volume)
        case 5: return set(name, volume)
        case 6: return snapshot(name, volume)
        case 7: return restore(name, volume)
        case 8: return resize(name, volume)
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
            $0.volumes[name]?.snapshots[label] = VolumeModel.Snapshot(size: volume.size, content: volume.content)
        }
    }

    private func restore(_ name: String, _ volume: VolumeModel.Volume) -> TortureCall {
        guard let (label, snapshot) = volume.snapshots.min(by: { $0.key < $1.key }) else {
            return snapshot(name, volume)
        }
        let isHeld = !volume.holders.isEmpty
        return call(
            "RestoreSnapshot", ["Name": .string(name), "Snapshot": .string(label)], on: .control,
            refusals: isHeld ? ["is in use"] : []
        ) {
            guard !isHeld else { return }
            $0.volumes[name]?.size = snapshot?.size
            $0.volumes[name]?.content = snapshot?.content
        }
    }

    private func resize(_ name: String, _ volume: VolumeModel.Volume) -> TortureCall {
        guard volume.driver == "image" else { return set(name, volume) }
        let size = volume.size == "16MiB" ? "24MiB" : "16MiB"
        let isHeld = !volume.holders.isEmpty
        return call(
            "ResizeVolume", ["Name": .string(name), "Size": .string(size)], on: .control,
            // Some hosts do this in use, some do not.
            refusals: isHeld ? ["while it is mounted", "is in use", "cannot be made smaller"] : []
        ) {
            $0.volumes[name]?.size = size
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
}
