// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import SystemPackage

extension VolumeManager {
    /// Looks whether the pool and the volumes in use can be written, so that it is told before somebody needs it, whether
    /// these are still held to their sizes, and whether those of servers still have one.
    package func checkCondition() async {
        guard poolTrouble == nil, poolSickness == nil else { return }
        do {
            let (condition, table) = try await BlockingWork.run(until: .now + limits.short, "look at the pool") {
                [store] in (try Self.findings(ofPoolAt: store.root).first?.reason, try MountTable())
            }
            noteCondition(condition)
            for (name, entry) in entries where !entry.holders.isEmpty && entry.mountFailure == nil {
                guard let volume = entry.volume, try driver(named: volume.driver).keepsDataInside(volume) else {
                    continue
                }
                let (place, logger) = (context(volume).mounts, context(volume).logger)
                guard table.entries.last(where: { $0.mountpoint == place })?.isReadOnly == true else { continue }
                let trouble = "it is mounted and cannot be written, since its file system had an error, as 'dmesg' says"
                update(name) { $0.mountFailure = trouble }
                logger.error("a volume in use cannot be written", metadata: ["error": "\(trouble)"])
            }
            await checkServers()
            try await renewLimits()
        } catch {
            logger.debug("the pool's condition cannot be seen", metadata: ["error": "\(error)"])
        }
    }

    private func checkServers() async {
        func mayLackServer(_ entry: Entry?) -> Volume? {
            guard let entry, !entry.holders.isEmpty, entry.mountFailure == nil, let volume = entry.volume,
                (try? driver(named: volume.driver).needsProgram(volume)) == true
            else { return nil }
            return volume
        }
        let names = entries.filter { mayLackServer($0.value) != nil }.keys
        guard !names.isEmpty else { return }
        let served = await BlockingWork.run { FUSEConnection.servedMountpoints() }
        for name in names.sorted() {
            // Who works on it sees it for himself.
            guard locks.tryLock(name) else { continue }
            defer { locks.unlock(name) }
            guard let volume = mayLackServer(entry(name)), let driver = try? driver(named: volume.driver),
                let trouble = await driver.troubleInUse(with: volume, in: context(volume), served: served)
            else { continue }
            update(name) { $0.mountFailure = trouble }
            logger.error(
                "a volume in use has no server", metadata: ["volume.name": "\(name)", "error": "\(trouble)"])
        }
    }

    /// Limits volumes in use anew whose limits somebody has taken away: to switch the quotas of a file system off and
    /// on again does that to all.
    private func renewLimits() async throws {
        let held = entries.values.compactMap { entry -> Volume? in
            guard !entry.holders.isEmpty, entry.trouble == nil, let volume = entry.volume else { return nil }
            return volume.options.size == nil ? nil : volume
        }
        var unlimited: Set<VolumeName> = []
        if !held.isEmpty {
            unlimited = try await BlockingWork.run(until: .now + limits.short, "look at the limits of volumes") {
                Set(held.filter { self.lacksLimit($0) }.map(\.name))
            }
        }
        for (name, entry) in entries where entry.limitTrouble != nil && !unlimited.contains(name) {
            update(name) { $0.limitTrouble = nil }
        }
        for name in unlimited.sorted() { await renewLimit(of: name) }
    }

    private func lacksLimit(_ volume: Volume) -> Bool {
        // What cannot be looked at is told of by the Mount that fails.
        (try? driver(named: volume.driver).lacksLimit(volume, in: context(volume))) ?? false
    }

    private func renewLimit(of name: VolumeName) async {
        do {
            try await work(on: name, for: .checking, within: limits.short, alone: false) { _ in
                // By now it may have been resized, mounted or given up.
                guard let entry = self.entry(name), let volume = entry.volume, !entry.holders.isEmpty else { return }
                let (driver, context) = (try self.driver(named: volume.driver), self.context(volume))
                let isRenewed = try await BlockingWork.run {
                    guard self.lacksLimit(volume) else { return false }
                    try driver.renewLimit(of: volume, in: context)
                    return true
                }
                if entry.limitTrouble != nil { self.update(name) { $0.limitTrouble = nil } }
                guard isRenewed else { return }
                context.logger.warning("somebody had taken the limit of a volume in use away; it is set anew")
            }
        } catch {
            let trouble = "it is in use and not held to its size at present: \(error)"
            guard let entry = entry(name), entry.limitTrouble != trouble else { return }
            update(name) { $0.limitTrouble = trouble }
            logger.error(
                "a volume in use is not held to its size",
                metadata: ["volume.name": "\(name)", "error": "\(error)"])
        }
    }
}
