// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient
import Synchronization

/// A volume that was mounted for a check.
struct MountedVolume: Sendable {
    let name: String
    let id: String
    let mountpoint: String
    /// The Mount.
    let exchange: Exchange
}

// Everything that changes volumes goes through here, so that it can be undone.
extension Session {
    /// A mount ID as engines make them.
    func newID() -> String {
        (0..<4).map { _ in
            let digits = String(UInt64.random(in: 0...UInt64.max), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    /// Notes that a volume may come to be.
    func expect(_ name: String) {
        state.withLock { $0.volumes[name, default: [:]] = $0.volumes[name] ?? [:] }
    }

    /// Notes that a mount may come to be.
    func expect(_ id: String, of name: String) {
        state.withLock { $0.volumes[name, default: [:]][id, default: 0] += 1 }
    }

    /// Notes that a volume was made whose removal could remove every volume: of '..', for example.
    func leaveAlone(_ name: String) {
        state.withLock { $0.leftovers.append("'\(name)': to remove it could remove every volume") }
    }

    func createRequest(_ name: String, options: [String: String]?) -> JSONValue {
        ["Name": .string(name), "Opts": options.map { .object($0.mapValues { .string($0) }) } ?? .null]
    }

    /// Creates a volume with the options that the user gave.
    func create(_ name: String) async -> Exchange {
        await create(name, options: options)
    }

    func create(_ name: String, options: [String: String]?) async -> Exchange {
        expect(name)
        return await call("VolumeDriver.Create", createRequest(name, options: options))
    }

    func remove(_ name: String) async -> Exchange {
        let exchange = await call("VolumeDriver.Remove", ["Name": .string(name)])
        if exchange.isSuccess { state.withLock { $0.volumes[name] = nil } }
        return exchange
    }

    func mount(_ name: String, id: String) async -> Exchange {
        expect(id, of: name)
        return await call("VolumeDriver.Mount", ["Name": .string(name), "ID": .string(id)])
    }

    func unmount(_ name: String, id: String) async -> Exchange {
        let exchange = await call("VolumeDriver.Unmount", ["Name": .string(name), "ID": .string(id)])
        if exchange.isSuccess {
            state.withLock { state in
                guard let count = state.volumes[name]?[id] else { return }
                state.volumes[name]?[id] = count > 1 ? count - 1 : nil
            }
        }
        return exchange
    }

    /// Makes a volume for a check of something else.
    ///
    /// - Throws: ``NotObservable`` if there is none to be had.
    func newVolume() async throws -> String {
        if let failure = state.withLock(\.createFailure) { throw NotObservable("no volume can be created: \(failure)") }
        let name = newName()
        let exchange = await create(name)
        guard exchange.isSuccess else {
            if exchange.isUnanswered { state.withLock { $0.createFailure = "\(exchange)" } }
            throw NotObservable("no volume can be created: \(exchange)")
        }
        return name
    }

    /// Makes and mounts a volume for a check of something else.
    ///
    /// - Throws: ``NotObservable`` if there is none to be had.
    func newMountedVolume() async throws -> MountedVolume {
        if let failure = state.withLock(\.mountFailure) { throw NotObservable("no volume can be mounted: \(failure)") }
        return try await newMount(of: newVolume())
    }

    /// Mounts a volume with a new ID.
    ///
    /// - Throws: ``NotObservable`` if it cannot be mounted.
    func newMount(of name: String) async throws -> MountedVolume {
        let id = newID()
        let exchange = await mount(name, id: id)
        guard let mountpoint = Self.mountpoint(in: exchange), mountpoint.hasPrefix("/") else {
            if exchange.isUnanswered { state.withLock { $0.mountFailure = "\(exchange)" } }
            throw NotObservable("no volume can be mounted: \(exchange)")
        }
        return MountedVolume(name: name, id: id, mountpoint: mountpoint, exchange: exchange)
    }

    /// The path in an answer to Mount or Path.
    static func mountpoint(in exchange: Exchange) -> String? {
        guard case .value(let value) = exchange.verdict else { return nil }
        return value["Mountpoint"]?.string
    }

    /// Does something that may fail while the plugin has not noticed yet that a caller is gone.
    func retrying<Result>(_ body: () async throws -> Result) async throws -> Result {
        let end = ContinuousClock.now + limits.settling
        while true {
            do {
                return try await body()
            } catch {
                guard .now < end else { throw error }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    // MARK: Cleaning up

    /// Removes the volumes that checks have left, and notes which are still there.
    ///
    /// - Parameter answers: Whether the plugin still answers.
    func cleanUp(answers: Bool) async {
        let volumes = state.withLock { state in
            defer { state.volumes = [:] }
            return state.volumes
        }
        guard answers else {
            return state.withLock { state in
                state.leftovers += volumes.keys.sorted().map {
                    "'\($0.printable(80))', perhaps: the plugin does not answer"
                }
            }
        }
        let end = ContinuousClock.now + limits.check
        for (name, holders) in volumes.sorted(by: { $0.key < $1.key }) {
            for (id, count) in holders {
                for _ in 0..<count where .now < end { _ = await unmount(name, id: id) }
            }
            guard let reason = .now < end ? await removeForGood(name) : "there was no time left" else { continue }
            state.withLock { $0.leftovers.append("'\(name.printable(80))': \(reason)") }
        }
    }

    /// - Returns: Why the volume is still there; nil if it is not.
    private func removeForGood(_ name: String) async -> String? {
        var pause = Duration.milliseconds(50)
        while true {
            let removal = await remove(name)
            if removal.isSuccess { return nil }
            // What was not there in the first place cannot be removed. What cannot be asked for is not there either,
            // as far as anybody can tell.
            if (try? await get(name).volume()) == nil { return nil }
            guard pause < limits.settling else { return "\(removal)".printable() }
            // A mount that was just hung up on may still be on its way back. If cancelled, this ends the sooner.
            try? await Task.sleep(for: pause)
            pause *= 2
        }
    }
}
