// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineTests {
    /// Volumes on each kind of storage, as an engine and its containers see them.
    @Suite struct StorageTests {
        let host = EngineHost.shared

        @Test(.enabled(if: Storage.missing == nil, Comment(rawValue: Storage.missing ?? "")))
        func everyKindOfStorageIsTested() {
            #expect(Storage.available == Storage.allCases)
        }

        @Test(arguments: Storage.available)
        func aVolumeLivesAndDies(storage: Storage) async throws {
            try await host.createVolume("life", on: storage)
            try await host.start("user", volumes: "life:/data")
            try await host.exec("user", "echo hello >/data/f")
            #expect(try await host.inContainer("cat /data/f", volumes: "life:/data") == "hello")
            #expect(try await host.read("\(host.inspectVolume("life").mountpoint)/f") == "hello")
            try await eventually("one mount is left") { try await host.inspectVolume("life").status?.mounts == 1 }
            try await host.expectHeld("life")
            #expect(try await host.mounts().isEmpty == !storage.isMounted)

            // Each copy mounts and unmounts the volume of the running container.
            try await host.write("in\n", to: "/root/copy/in")
            try await host.docker("cp", "user:/data/f", "/root/copy/out")
            try await host.docker("cp", "/root/copy/in", "user:/data/in")
            #expect(try await host.read("/root/copy/out") == "hello")
            #expect(try await host.exec("user", "cat /data/in") == "in")
            try await host.expectHeld("life")

            try await host.docker("rm", "-f", "user")
            try await host.expectReleased("life", on: storage)
            #expect(try await host.inContainer("cat /data/f /data/in", volumes: "life:/data") == "hello\nin")
            try await host.expectReleased("life", on: storage)
            try await host.docker("volume", "rm", "life")
            #expect(try await host.storedVolumes().isEmpty)
            #expect(try await host.mounts().isEmpty)
        }

        /// The engine mounts the volume, fills it and unmounts it, before it mounts it for the container.
        @Test(arguments: Storage.available)
        func aNewVolumeGetsTheImagesContentOwnerAndMode(storage: Storage) async throws {
            try await host.makeSeedImage()
            try await host.createVolume("seeded", on: storage)
            let script = "cd /data && stat -c '%n %u:%g %a' . file folder && readlink link && cat file"
            let expected = ". 1234:1234 2770\nfile 1234:1234 640\nfolder 77:88 1733\nfile\nseeded"
            #expect(
                try await host.inContainer(script, volumes: "seeded:/data", image: EngineHost.seedImage) == expected)
            try await host.expectReleased("seeded", on: storage)
            #expect(try await host.inContainer(script, volumes: "seeded:/data") == expected)
            if storage != .sshfs {  // there, whoever writes is the user who is logged in
                let mine = "echo mine >/data/mine && stat -c '%u' /data/mine"
                let user = ["--user", "1234:1234"]
                #expect(try await host.inContainer(mine, volumes: "seeded:/data", options: user) == "1234")
            }
            try await host.expectReleased("seeded", on: storage)
            try await host.docker("volume", "rm", "seeded")
        }

        @Test(arguments: Storage.available.filter { $0.megabytes != nil })
        func whoWritesMoreThanTheSizeIsTold(storage: Storage) async throws {
            try await host.createVolume("full", on: storage)
            try await host.start("user", volumes: "full:/data")
            try await host.exec("user", "echo precious >/data/f")
            let more = (storage.megabytes ?? 0) + 8
            let write = ["dd", "if=/dev/zero", "of=/data/filler", "bs=1M", "count=\(more)", "conv=fsync"]
            for _ in 1...2 {
                let output = try await host.attemptDocker(["exec", "user"] + write)
                #expect(output.standardError.contains("No space left on device"), "\(output.standardError)")
                #expect(try await host.exec("user", "cat /data/f") == "precious")
                try await host.exec("user", "rm /data/filler; echo room >/data/g; rm /data/g")
            }
            try await host.docker("rm", "-f", "user")
            try await host.expectReleased("full", on: storage)
            try await host.docker("volume", "rm", "full")
        }

        @Test(arguments: Storage.available.filter { $0.megabytes == nil })
        func aSizeThatNobodyEnforcesIsRefused(storage: Storage) async throws {
            let options =
                try await host.options(for: "unlimited", on: storage) + ["driver=\(storage.driver)", "size=64M"]
            let arguments = ["volume", "create", "-d", "mobyfs"] + options.flatMap { ["-o", $0] } + ["unlimited"]
            let refusal = try await host.attemptDocker(arguments)
            #expect(!refusal.succeeded)
            #expect(refusal.standardError.contains("image"), "the way out is named: \(refusal.standardError)")
            #expect(try await host.volumeNames().isEmpty)
        }

        @Test(arguments: Storage.available)
        func aContainerGoesOnWhileTheServiceIsRestartedAndKilled(storage: Storage) async throws {
            let script = "while :; do echo tick >>/data/log; sleep 0.1; done"
            try await host.createVolume("steady", on: storage)
            try await host.start("steady", script, volumes: "steady:/data")
            let mount = try await host.mount(at: "/data", in: "steady")
            for command in ["systemctl restart mobyfs.service", "kill -KILL $(pgrep -x mobyfs)"] {
                let old = try await host.property("MainPID", of: "mobyfs.service")
                try await host.bash(command)
                try await eventually("another process serves") {
                    let new = try await host.property("MainPID", of: "mobyfs.service")
                    return new != 0 && new != old
                }
                let ticks = try await host.ticks(of: "steady")
                try await eventually("the container writes on") { try await host.ticks(of: "steady") > ticks }
                try await host.expectHeld("steady")
                #expect(try await host.mount(at: "/data", in: "steady") == mount)
                #expect(try await host.inContainer("head -n 1 /data/log", volumes: "steady:/data") == "tick")
            }
            try await host.docker("rm", "-f", "steady")
            try await host.expectReleased("steady", on: storage)
            #expect(try await host.inContainer("head -n 1 /data/log", volumes: "steady:/data") == "tick")
            try await host.expectReleased("steady", on: storage)
            try await host.docker("volume", "rm", "steady")
        }

        @Test(arguments: Storage.available)
        func aContainerThatDiedWithTheEngineHoldsNothing(storage: Storage) async throws {
            try await host.createVolume("orphan", on: storage)
            try await host.start("dead", "echo precious >/data/f; exec sleep 1000000", volumes: "orphan:/data")
            try await host.expectHeld("orphan")
            try await host.killEngine()
            try await eventually("the engine knows that the container is dead") { try await !host.isRunning("dead") }
            try await host.expectReleased("orphan", on: storage)
            #expect(try await host.inContainer("cat /data/f", volumes: "orphan:/data") == "precious")
            try await host.docker("rm", "dead")
            try await host.expectReleased("orphan", on: storage)
            try await host.docker("volume", "rm", "orphan")
            #expect(try await host.mounts().isEmpty)
        }
    }
}

extension EngineHost {
    /// How often a container has added to its log.
    fileprivate func ticks(of container: String) async throws -> Int {
        try await exec(container, "cat /data/log").lines.count
    }

    /// Nobody holds the volume, and nothing of it is mounted, but for what is in memory only.
    func expectReleased(_ volume: String, on storage: Storage) async throws {
        try await waitUntilFree(volume)
        guard storage.isLasting else { return }
        let mountpoint = "/run/mobyfs/mounts/\(volume)"
        try await eventually("'\(volume)' is unmounted") {
            try await !mounts().contains { $0.contains(" \(mountpoint) ") || $0.contains(" \(mountpoint)/") }
        }
    }
}
