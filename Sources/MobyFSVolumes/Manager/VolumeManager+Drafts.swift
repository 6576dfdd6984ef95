// SPDX-License-Identifier: Apache-2.0

import Logging
package import MobyFSHost
import Synchronization
package import SystemPackage

/// A volume that somebody fills, or looks into, before there is one: for a process, and gone with it.
package struct Draft: Sendable {
    package let id: String
    /// Where its data is.
    package let path: FilePath
    let volume: Volume
    let staging: FilePath
    let process: ProcessIdentity
    let secrets: [String: Secret]
}

extension VolumeManager {
    /// Makes a volume that nobody sees yet, mounted.
    ///
    /// Nobody else can create or remove a volume of its name meanwhile. It is discarded when its process ends, or this one.
    ///
    /// - Parameters:
    ///   - name: What it will be called; nil for one that is only to be read.
    ///   - options: As for a volume that is created.
    ///   - process: Who works with it.
    /// - Returns: The draft.
    /// - Throws: ``VolumeError``; nothing is left behind.
    package func draft(
        _ name: String?, options: [String: String], for process: ProcessIdentity
    ) async throws -> Draft {
        guard name == nil || options["from"] == nil else {
            throw VolumeError(
                .invalidArgument,
                "option 'from' does not go with an import: what is imported begins empty; leave it out")
        }
        let id = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        let name = try VolumeName(name ?? "draft-\(id)")
        let deadline = ContinuousClock.now + limits.copying
        try await requirePool()
        try await locks.lock(name, for: .importing, until: deadline)
        do {
            guard entry(name) == nil else {
                throw VolumeError(
                    .alreadyExists, "there is a volume '\(name)' already, or kept data of one: choose another name")
            }
            let draft = try await makeDraft(id, name, options, for: process, until: deadline)
            drafts.withLock { $0[id] = draft }
            return draft
        } catch {
            locks.unlock(name)
            throw error
        }
    }

    private func makeDraft(
        _ id: String, _ name: VolumeName, _ options: [String: String], for process: ProcessIdentity,
        until deadline: ContinuousClock.Instant
    ) async throws -> Draft {
        let wish = try await wish(for: name, options)
        let driver = try driver(named: wish.volume.driver)
        guard driver.keepsDataInside(wish.volume) || !driver.info.isLasting else {
            throw VolumeError(
                .invalidArgument,
                "volume '\(name)' would not have its data in the pool, where half of it could be taken back: create it, "
                    + "and put the data there by other means")
        }
        let (volume, staging) = try await stage(wish, until: deadline)
        let context = context(volume, root: staging, secrets: wish.secrets, deadline: deadline)
        do {
            try await driver.mount(volume, in: context)
        } catch {
            await undo(volume, of: driver, in: context)
            throw error
        }
        return Draft(
            id: id, path: driver.mountpoint(of: volume, in: context), volume: volume, staging: staging,
            process: process,
            secrets: wish.secrets)
    }

    /// Makes a draft a volume.
    ///
    /// - Throws: ``VolumeError``; it is a draft as before.
    package func commitDraft(_ id: String) async throws {
        let draft = try taken(id)
        let (volume, deadline) = (draft.volume, ContinuousClock.now + limits.copying)
        do {
            let driver = try driver(named: volume.driver)
            let context = context(volume, root: draft.staging, secrets: draft.secrets, deadline: deadline)
            try await BlockingWork.run { try Directories.syncFileSystem(of: draft.path) }
            try await driver.unmount(volume, in: context)
            try await sharingLock(on: volume.name, until: deadline) {
                guard self.entry(volume.name) == nil else {
                    throw VolumeError(.alreadyExists, "another host has just created a volume '\(volume.name)'")
                }
                try await self.commit { store in
                    try store.save(draft.secrets, in: draft.staging)
                    try store.commit(draft.staging, as: volume)
                }
            }
        } catch {
            drafts.withLock { $0[id] = draft }
            throw error is VolumeError ? error : VolumeError.failure("cannot create volume '\(volume.name)'", error)
        }
        update(volume.name) { $0.volume = volume }
        locks.unlock(volume.name)
        context(volume).logger.info("volume created")
    }

    /// Takes a draft back; fine if there is none.
    package func discardDraft(_ id: String) async {
        guard let draft = drafts.withLock({ $0.removeValue(forKey: id) }) else { return }
        defer { locks.unlock(draft.volume.name) }
        let context = context(draft.volume, root: draft.staging, deadline: .now + limits.short)
        do {
            let driver = try driver(named: draft.volume.driver)
            try await driver.release(draft.volume, in: context)
            await undo(draft.volume, of: driver, in: context)
        } catch {
            // Some program that was to fill it may be at work in it still.
            context.logger.warning("a half-made volume stays for now", metadata: ["error": "\(error)"])
            drafts.withLock { $0[id] = draft }
        }
    }

    /// Takes back the drafts of processes that have ended.
    package func discardAbandonedDrafts() async {
        let all = drafts.withLock { $0 }
        let dead = await BlockingWork.run { all.filter { !$0.value.process.isAlive }.keys }
        for id in dead { await discardDraft(id) }
    }

    private func taken(_ id: String) throws(VolumeError) -> Draft {
        guard let draft = drafts.withLock({ $0.removeValue(forKey: id) }) else {
            throw VolumeError(
                .notFound, "there is no such draft: the daemon was restarted meanwhile, perhaps; try again")
        }
        return draft
    }
}
