// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import MobyFSHost
package import MobyFSVolumes
package import SystemPackage

extension MountDriver {
    package func mount(_ volume: Volume, in context: DriverContext) async throws {
        let request = try MountRequest(volume.options)
        if let entry = try await BlockingWork.run({ try Mounts.entry(at: context.mounts) }) {
            guard await isStillServed(entry, at: context.mounts) else {
                // Its program has crashed; whoever has it open sees errors already.
                try await BlockingWork.run { try Mounts.unmount(context.mounts, detaching: true) }
                return try await mount(volume, in: context)
            }
            return try await remount(entry, request, of: volume, in: context)
        }
        var credentials = MountCredentials(password: context.secrets["password"] ?? context.secrets["secret"])
        var failure = MountFailure(request: request, target: context.mounts, secrets: Array(context.secrets.values))
        do {
            if let name = request.credentials {
                credentials = try await BlockingWork.run { try MountCredentials(named: name, in: credentialsFolder) }
                if let password = credentials.password { failure = failure.hiding(password) }
            }
            let method = try await patientWork.run(
                on: "source of \(context.mounts)", until: context.deadline, "look at '\(request.source)'"
            ) {
                for path in request.localPaths { try requireForeign(path) }
                let method = try MountMethod(for: request.adding(volume.options), driver: self)
                try Mountpoint(context.mounts).prepare()
                return method
            }
            let run = MountRun(
                request: request.adding(volume.options), method: method, credentials: credentials,
                target: context.mounts, deadline: Self.helperDeadline(context), patientWork: patientWork)
            try await run.mount()
            guard let entry = try await BlockingWork.run({ try Mounts.entry(at: context.mounts) }) else {
                throw VolumeError(.unavailable, "\(method.name) has ended without an error, and nothing is mounted")
            }
            try await requireExpected(entry, request, of: volume, in: context)
            try await prepareRoot(of: entry, volume, request, in: context)
        } catch {
            await undo(context)
            throw failure.describe(error, of: volume)
        }
    }

    /// Makes sure of what is mounted already.
    ///
    /// It stays mounted even if its server does not answer.
    private func remount(
        _ entry: MountEntry, _ request: MountRequest, of volume: Volume, in context: DriverContext
    ) async throws {
        try await requireExpected(entry, request, of: volume, in: context)
        // Others write to the folder above: what was there the last time may be something else now. And image seeding may
        // have changed the root; but who looks into what a dead server has waits for ever, and keeps it busy.
        let isNear = request.isBind || request.type.isLocal
        guard isNear || mountpoint(of: volume, in: context) != context.mounts else { return }
        do {
            try await prepareRoot(of: entry, volume, request, in: context)
        } catch {
            let secrets = Array(context.secrets.values)
            throw MountFailure(request: request, target: context.mounts, secrets: secrets).describe(error, of: volume)
        }
    }

    /// Nine tenths of the time: the rest is for cleaning up after a program that was ended.
    private static func helperDeadline(_ context: DriverContext) -> ContinuousClock.Instant {
        let now = ContinuousClock.now
        return now + (context.deadline - now) * 9 / 10
    }

    /// Whether the program that serves a file system is there, be it that it hangs.
    ///
    /// `served` are the mountpoints of ``FUSEConnection/servedMountpoints()``, nil to ask for them.
    private func isStillServed(
        _ entry: MountEntry, at path: FilePath, served: Set<FilePath>? = nil
    ) async -> Bool {
        guard entry.type.hasPrefix("fuse") else { return true }
        let served = if let served { served } else { await BlockingWork.run { FUSEConnection.servedMountpoints() } }
        if served.contains(path) { return true }
        // No program that this driver has started: the kernel says at once if there is none at all.
        let errno = try? await patientWork.run(
            on: Self.subject(entry, at: path), until: .now + .seconds(2), "stat '\(path)'"
        ) {
            var status = stat()
            return stat(path.string, &status) == 0 ? 0 : Glibc.errno
        }
        return errno != ENOTCONN
    }

    package func needsProgram(_ volume: Volume) -> Bool {
        (try? MountRequest(volume.options).type.isFUSE) == true
    }

    package func troubleInUse(
        with volume: Volume, in context: DriverContext, served: Set<FilePath>
    ) async -> String? {
        let path = context.mounts
        guard let type = try? MountRequest(volume.options).type, !served.contains(path) else { return nil }
        // Some programs unmount what they serve when they are ended.
        let entry = try? await BlockingWork.run { try Mounts.entry(at: path) }
        if let entry, await isStillServed(entry, at: path, served: served) { return nil }
        return "it cannot be used, as the program that serves it (\(type.name)) has ended: restart the containers that "
            + "have it"
    }

    /// A mount, by a name that the next one at the same path does not have while anything in this one hangs.
    private static func subject(_ entry: MountEntry, at path: FilePath) -> String { "\(entry.device) \(path)" }

    private func requireExpected(
        _ entry: MountEntry, _ request: MountRequest, of volume: Volume, in context: DriverContext
    ) async throws {
        let isExpected = try await patientWork.run(
            on: "source of \(context.mounts)", until: context.deadline, "look at '\(request.source)'"
        ) {
            try request.isExpected(entry)
        }
        guard !isExpected else { return }
        throw VolumeError(
            .unavailable,
            "something else is mounted at '\(context.mounts)': type '\(entry.type)', source '\(entry.source)'; unmount it "
                + "with umount '\(context.mounts)'")
    }

    /// Makes the folder that the volume is in there, and gives it the owner and mode that are asked for.
    private func prepareRoot(
        of entry: MountEntry, _ volume: Volume, _ request: MountRequest, in context: DriverContext
    ) async throws {
        let path = mountpoint(of: volume, in: context)
        let options = request.type.takesOwnerAsOption ? VolumeOptions(checked: [:]) : volume.options
        try await patientWork.run(
            on: Self.subject(entry, at: context.mounts), until: context.deadline, "prepare '\(path)'"
        ) {
            guard path != context.mounts else {
                return try request.explaining { try RootAttributes.apply(options, to: path) }
            }
            do {
                try Directories.withChild(
                    volume.name.description, of: context.mounts, isChanged: RootAttributes.areGiven(by: options)
                ) { descriptor in
                    try request.explaining { try RootAttributes.apply(options, to: descriptor, named: path) }
                }
            } catch let error as SystemCallError where Self.isNoFolder(error.errno) {
                throw VolumeError(
                    .unavailable,
                    "create=true is for a folder of the volume's name that is no link and nothing is mounted on: put that "
                        + "right, or leave create= out", cause: error)
            }
        }
    }

    private static func isNoFolder(_ errno: Errno) -> Bool {
        [.notDirectory, .tooManySymbolicLinkLevels, .improperLink].contains(errno)
    }

    /// Leaves nothing mounted.
    private func undo(_ context: DriverContext) async {
        await BlockingWork.run {
            do {
                // Twice, if a program has mounted something and another has found that mounted.
                while let entry = try Mounts.entry(at: context.mounts) {
                    // Who still waits for its server would do so for good.
                    FUSEConnection(of: entry)?.abort()
                    try Mounts.unmount(context.mounts, detaching: true)
                }
                try Mountpoint(context.mounts).remove()
            } catch {
                context.logger.debug("a failed mount is not undone whole", metadata: ["error": "\(error)"])
            }
        }
    }

    package func unmount(_ volume: Volume, in context: DriverContext) async throws {
        do {
            // More than one only if somebody else has mounted over it.
            while let entry = try await BlockingWork.run({ try Mounts.entry(at: context.mounts) }) {
                try await unmount(entry, of: volume, in: context)
            }
            try await BlockingWork.run { try Mountpoint(context.mounts).remove() }
        } catch {
            throw Self.isBusy(error)
                ? VolumeError(
                    .inUse, "volume '\(volume.name)' cannot be unmounted: some process is at work in it", cause: error)
                : VolumeError(.io, "volume '\(volume.name)' cannot be unmounted", cause: error)
        }
    }

    private func unmount(_ entry: MountEntry, of volume: Volume, in context: DriverContext) async throws {
        let path = context.mounts
        // A folder's second place: what is mounted below goes with it, and who is at work in it goes on.
        let isBind = try MountRequest(volume.options).isBind
        guard !isBind, !MountEntry.isLocal(entry) else {
            return try await BlockingWork.run(until: context.deadline, "unmount '\(path)'") {
                try Mounts.unmount(path, detaching: isBind)
            }
        }
        do {
            try await unmountByProgram(path, until: Self.helperDeadline(context))
        } catch let error as HelperError {
            guard case .timedOut = error.reason else { throw error }
            // What the server is to be told it will never hear.
            try await BlockingWork.run {
                FUSEConnection(of: entry)?.abort()
                try Mounts.unmount(path, detaching: true)
            }
        }
    }

    /// Unmounts by a program, for it can be ended; -i and -c: without asking the server.
    ///
    /// Tries a few times, as ``Mounts/unmount(_:detaching:)`` does.
    private func unmountByProgram(_ path: FilePath, until deadline: ContinuousClock.Instant) async throws {
        let program = HelperProgram("umount", package: "mount")
        for delay in [20, 100, 300] {
            do {
                try await program.run(["-i", "-c", "--", path.string], until: deadline)
                return
            } catch  where Self.isBusy(error) {
                // Not cancelled with the caller: half an unmount is none.
                await BlockingWork.run { _ = usleep(useconds_t(delay * 1000)) }
            }
        }
        try await program.run(["-i", "-c", "--", path.string], until: deadline)
    }

    private static func isBusy(_ error: any Error) -> Bool {
        switch error {
        case let error as SystemCallError: error.errno == .resourceBusy
        case let error as HelperError: error.lines.contains { $0.contains("busy") }
        default: false
        }
    }
}

extension MountEntry {
    /// Whether unmounting it waits for no server.
    fileprivate static func isLocal(_ entry: MountEntry) -> Bool {
        // A name that is none has no type.
        (try? MountType(entry.type))?.isLocal ?? false
    }
}
