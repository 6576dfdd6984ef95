// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSHost
import Synchronization
import SystemPackage

/// By what one can tell from outside whether a plugin holds a volume mounted; each plugin has its own ways.
struct HoldingSigns: Sendable {
    /// What can be seen of a volume.
    struct Sample: Hashable, Sendable {
        /// How much there is in each member of Status: a number, or how many elements a list has.
        var status: [String: Int64] = [:]
        /// Whether Get tells a mountpoint.
        var hasMountpoint = false
        /// Whether something is mounted at the mountpoint.
        var isInMountTable = false
    }

    /// The members of Status that count mounts.
    private let counters: [String]
    private let showsMountpoint: Bool
    private let showsInMountTable: Bool
    /// Whether a volume that is held cannot be removed.
    let refusesRemoval: Bool

    init(unmounted: Sample, mounted: Sample, unmountedAgain: Sample, refusesRemoval: Bool) {
        counters = mounted.status.filter { key, value in
            unmounted.status[key].map { $0 < value } ?? false && unmountedAgain.status[key] == unmounted.status[key]
        }.map(\.key).sorted()
        showsMountpoint = mounted.hasMountpoint && !unmounted.hasMountpoint && !unmountedAgain.hasMountpoint
        showsInMountTable = mounted.isInMountTable && !unmounted.isInMountTable && !unmountedAgain.isInMountTable
        self.refusesRemoval = refusesRemoval
    }

    /// Whether there are any signs that can be read without removing the volume.
    var areReadable: Bool { !counters.isEmpty || showsMountpoint || showsInMountTable }

    /// Why a volume seems not to be mounted; nil if all signs say that it is.
    func doubt(_ sample: Sample) -> String? {
        if let counter = counters.first(where: { (sample.status[$0] ?? 0) <= 0 }) {
            return "'\(counter.printable(40))' in its Status is \(sample.status[counter] ?? 0)"
        }
        if showsMountpoint, !sample.hasMountpoint { return "Get tells no mountpoint any more" }
        if showsInMountTable, !sample.isInMountTable { return "nothing is mounted at its mountpoint any more" }
        return nil
    }

    /// Why a volume seems to be held; nil if the best of the signs says that it is not.
    ///
    /// What is mounted may stay so for a while after nobody holds it.
    func trace(_ sample: Sample) -> String? {
        if !counters.isEmpty {
            return counters.first { (sample.status[$0] ?? 0) > 0 }
                .map { "'\($0.printable(40))' in its Status is \(sample.status[$0] ?? 0)" }
        }
        if showsMountpoint { return sample.hasMountpoint ? "Get tells its mountpoint" : nil }
        return showsInMountTable && sample.isInMountTable ? "it is in the mount table" : nil
    }
}

extension Session {
    /// What can be seen of a volume now.
    func sample(_ name: String, at mountpoint: String) async throws -> HoldingSigns.Sample {
        var sample = HoldingSigns.Sample()
        if let volume = try await get(name).volume() {
            if case .object(let members) = volume["Status"] { sample.status = members.compactMapValues(\.weight) }
            sample.hasMountpoint = volume["Mountpoint"]?.string?.isEmpty == false
        }
        sample.isInMountTable = try await isMounted(mountpoint)
        return sample
    }

    /// Whether something is mounted at a path, as far as that can be seen from here.
    func isMounted(_ mountpoint: String) async throws -> Bool {
        guard isLocal, !mountpoint.isEmpty else { return false }
        return try await HostFiles.run(within: limits.files, on: "/proc/self/mountinfo") {
            let path = FilePath(mountpoint).lexicallyNormalized()
            return try MountTable().entries.contains { $0.mountpoint == path }
        }
    }

    /// Finds out by what this plugin shows that it holds a volume, the first time with a volume made for it.
    ///
    /// - Throws: ``NotObservable`` if volumes cannot be mounted and unmounted.
    func holdingSigns() async throws -> HoldingSigns {
        if let signs = state.withLock(\.signs) { return signs }
        let name = try await newVolume()
        let unknown = try await sample(name, at: "")
        let mounted = try await newMount(of: name)
        let during = try await sample(name, at: mounted.mountpoint)
        let unmounting = await unmount(name, id: mounted.id)
        guard unmounting.isSuccess else { throw NotObservable("no volume can be unmounted: \(unmounting)") }
        let after = try await sample(name, at: mounted.mountpoint)
        // Before its first Mount nobody knows where it would be.
        var before = unknown
        before.isInMountTable = after.isInMountTable
        let held = try await newMountedVolume()
        let refusesRemoval = await remove(held.name).isRefused
        _ = await unmount(held.name, id: held.id)
        let signs = HoldingSigns(
            unmounted: before, mounted: during, unmountedAgain: after, refusesRemoval: refusesRemoval)
        state.withLock { $0.signs = signs }
        return signs
    }
}

extension JSONValue {
    fileprivate var weight: Int64? {
        switch self {
        case .integer(let number): number
        case .array(let elements): Int64(elements.count)
        case .bool(let flag): flag ? 1 : 0
        default: nil
        }
    }
}
