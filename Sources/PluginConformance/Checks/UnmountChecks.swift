// SPDX-License-Identifier: Apache-2.0

import DockerPlugin

extension Check {
    private static let mountPoint = "moby volume/mounts/mounts.go"

    /// How volumes are unmounted.
    static let unmounts: [Check] = [
        Check(
            "unmount", .required, "After its last Unmount a volume is held by nobody, and can be removed",
            source: "\(mountPoint) Cleanup, every engine", needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            let exchange = await session.unmount(volume.name, id: volume.id)
            try exchange.value()
            let signs = try await session.holdingSigns()
            return try await session.retrying {
                if let trace = signs.trace(try await session.sample(volume.name, at: volume.mountpoint)) {
                    throw exchange.violation(trace)
                }
                let removal = await session.remove(volume.name)
                guard removal.isSuccess else { throw Violation("\(exchange); \(removal)") }
                if try await session.isMounted(volume.mountpoint) {
                    throw removal.violation("'\(volume.mountpoint)' is still in the mount table")
                }
                return "\(exchange); \(removal)"
            }
        },
        Check(
            "unmount-foreign", .required, "Unmount of an ID that was never mounted takes nothing from the others",
            source: "\(mountPoint): after a crash or a restart engines send such IDs", needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            let mark = await session.mark(volume)
            let exchange = await session.unmount(volume.name, id: session.newID())
            return try await session.requireStillMounted(
                volume, mark, after: "Mount and Unmount (\(exchange.verdictInBrief)) of another ID")
        },
        Check(
            "unmount-unknown-id", .advised, "Unmount of an ID that was never mounted succeeds",
            source: "\(mountPoint): else engines keep the ID and use it again", needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            let exchange = await session.unmount(volume.name, id: session.newID())
            try exchange.value()
            return "\(exchange)"
        },
        Check(
            "unmount-repeat", .advised, "Unmount of a volume that is not mounted succeeds",
            source: "container/container_unix.go in 1.12, which unmounts every volume of a container", needs: .consent
        ) { session in
            let name = try await session.newVolume()
            let never = await session.unmount(name, id: session.newID())
            try never.value()
            let volume = try await session.newMount(of: name)
            _ = try await session.unmount(name, id: volume.id).valueIfAny()
            let again = await session.unmount(name, id: volume.id)
            if !again.isSuccess { throw again.violation("it was unmounted before") }
            return "\(never); \(again), twice"
        },
        Check(
            "unmount-unknown", .advised, "Unmount of a volume that does not exist succeeds",
            source: "\(mountPoint): there is nothing left to do", needs: .consent
        ) { session in
            let exchange = await session.unmount(session.newName(), id: session.newID())
            try exchange.value()
            return "\(exchange)"
        },
    ]
}
