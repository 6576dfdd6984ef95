// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient

extension Check {
    private static let mountPoint = "moby volume/mounts/mounts.go"

    /// How volumes are mounted.
    static let mounts: [Check] = [
        Check(
            "mount", .required, "Mount is answered with an absolute path",
            source: "\(mountPoint) Setup, every engine: it goes to the container's runtime unchecked", needs: .consent
        ) { session in
            let name = try await session.newVolume()
            let exchange = await session.mount(name, id: session.newID())
            try exchange.value()
            guard let path = Session.mountpoint(in: exchange), path.hasPrefix("/") else {
                throw exchange.violation("containers cannot be given that")
            }
            return "\(exchange)"
        },
        Check(
            "mount-path", .required, "Path of a mounted volume is the path that Mount answered",
            source: "\(mountPoint) Setup, up to 17.12: containers are given the one or the other", needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            let exchange = await session.path(volume.name)
            guard try exchange.valueIfAny()["Mountpoint"]?.string == volume.mountpoint else {
                throw Violation("\(volume.exchange); \(exchange)")
            }
            return "\(exchange)"
        },
        Check(
            "mount-get", .advised,
            "The Mountpoint of a mounted volume in Get is the path that Mount answered, or left out",
            source: "shown by `docker volume inspect`", needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            let exchange = await session.get(volume.name)
            let told = try exchange.volume()?["Mountpoint"]?.string ?? ""
            guard told.isEmpty || told == volume.mountpoint else { throw Violation("\(volume.exchange); \(exchange)") }
            return "\(exchange)"
        },
        Check(
            "mount-unknown", .advised, "Mount of a volume that does not exist is refused",
            source: "the container would find another volume than its user's", needs: .consent
        ) { session in
            let exchange = await session.mount(session.newName(), id: session.newID())
            guard !exchange.isSuccess else { throw Violation("\(exchange)") }
            return "\(exchange)"
        },
        Check(
            "mount-repeat", .required, "Mount with the same ID twice, then one Unmount: the volume is still mounted",
            source: "\(mountPoint), since 17.06: `docker cp` does so on a running container", needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            let mark = await session.mark(volume)
            try await session.requireMount(again: volume)
            let exchange = await session.unmount(volume.name, id: volume.id)
            return try await session.requireStillMounted(
                volume, mark, after: "Mount, Mount and Unmount (\(exchange.verdictInBrief)) with one ID")
        },
        Check(
            "mount-two", .required, "Mount with two IDs, then Unmount of one: the volume is still mounted",
            source: "\(mountPoint): two containers", needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            let mark = await session.mark(volume)
            let other = session.newID()
            let second = await session.mount(volume.name, id: other)
            try second.value()
            let exchange = await session.unmount(volume.name, id: other)
            return try await session.requireStillMounted(
                volume, mark, after: "Mount with two IDs and Unmount (\(exchange.verdictInBrief)) of the second")
        },
        Check(
            "mount-again", .required,
            "After its last Unmount a volume can be mounted again, with the same ID and another",
            source: "\(mountPoint): each start of a container has a new ID, but for one whose Unmount failed",
            needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            _ = try await session.unmount(volume.name, id: volume.id).valueIfAny()
            for id in [volume.id, session.newID()] {
                try await session.mount(volume.name, id: id).value()
                _ = await session.unmount(volume.name, id: id)
            }
            return "\(volume.exchange), three times"
        },
        Check(
            "data-stays", .required, "What was in a volume is there when it is mounted again",
            source: "what volumes are for; those in memory need not keep this", needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            guard let mark = await session.mark(volume) else {
                throw NotObservable("no file can be written to '\(volume.mountpoint)' from here")
            }
            _ = try await session.unmount(volume.name, id: volume.id).valueIfAny()
            let again = try await session.newMount(of: volume.name)
            guard try await session.hasMark(mark, at: again.mountpoint) else {
                throw again.exchange.violation("the file that was written before is not in it")
            }
            return "\(again.exchange), and the file that was written before is in it"
        },
        Check(
            "mount-crash", .required, "Mount with an ID that holds the volume already succeeds after Plugin.Activate",
            source:
                "moby daemon/daemon.go restore: an engine that crashed repeats its Mount and never sends the Unmount",
            needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            let mark = await session.mark(volume)
            _ = await session.activate()
            try await session.requireMount(again: volume)
            return try await session.requireStillMounted(
                volume, mark, after: "Mount, Plugin.Activate and the same Mount")
        },
        Check(
            "activate-mounted", .required, "Plugin.Activate unmounts nothing",
            source: "moby daemon/daemon.go restore: under live-restore containers outlive the engine", needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            let mark = await session.mark(volume)
            _ = await session.activate()
            return try await session.requireStillMounted(volume, mark, after: "Mount and Plugin.Activate")
        },
        Check(
            "mount-hang-up", .required, "A Mount whose caller hung up is undone",
            source: "moby volume/drivers/proxy.go, since 18.03: no Unmount follows a Mount that took two minutes",
            needs: .consent
        ) { session in
            try await session.hangUpOnAMount()
        },
    ]
}

extension Session {
    /// Sends the same Mount again.
    fileprivate func requireMount(again volume: MountedVolume) async throws {
        let again = await mount(volume.name, id: volume.id)
        if !again.isSuccess { throw again.violation("the same Mount had succeeded before") }
        guard Session.mountpoint(in: again) == volume.mountpoint else {
            throw Violation("\(volume.exchange); \(again)")
        }
    }

    /// Hangs up in the middle of a Mount, up to three times: a plugin that has just answered cannot know.
    fileprivate func hangUpOnAMount() async throws -> String {
        let signs = try await holdingSigns()
        guard signs.areReadable || signs.refusesRemoval else {
            throw NotObservable(
                "nothing shows whether a volume is mounted: Get and the mount table say nothing, and it can be removed")
        }
        var trace = ""
        for _ in 0..<3 {
            let name = try await newVolume()
            let id = newID()
            expect(id, of: name)
            let connection = try await connect()
            let body: JSONValue = ["Name": .string(name), "ID": .string(id)]
            try await connection.send(request("VolumeDriver.Mount", body.encoded).encoded)
            connection.close()
            // Waits for the first one, in a plugin that works on one call for a volume at a time; others may be busy.
            let other = try await retrying { try await self.newMount(of: name) }
            _ = await unmount(name, id: other.id)
            guard let found = try await holding(of: name, at: other.mountpoint, signs) else {
                return "after a Mount whose caller hung up, the volume is not held"
            }
            trace = found
        }
        throw Violation("three times, after a Mount whose caller hung up, the volume is held for ever: \(trace)")
    }

    /// Waits until a volume is not held any more.
    ///
    /// - Returns: By what it can be seen that it is, after that is clear; else nil.
    private func holding(of name: String, at mountpoint: String, _ signs: HoldingSigns) async throws -> String? {
        let start = ContinuousClock.now
        while true {
            let trace: String?
            if signs.areReadable {
                trace = signs.trace(try await sample(name, at: mountpoint))
            } else {
                let removal = await remove(name)
                trace = removal.isSuccess ? nil : "\(removal)"
            }
            guard trace != nil, .now - start < limits.settling else { return trace }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}

extension Exchange {
    /// For a sentence that tells of more than this.
    var verdictInBrief: String {
        switch verdict {
        case .value: "answered"
        case .refused(let text): "refused: \(text.printable(80))"
        case .unreadable: "answered with what cannot be read"
        case .hungUp, .unanswered: "not answered"
        }
    }
}
