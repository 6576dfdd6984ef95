// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineTests {
    /// What a host does to volumes on all kinds of storage at once: reboots, upgrades, removal of the package.
    @Suite struct StorageAndHostTests {
        let host = EngineHost.shared

        @Test func dataIsThereAfterAReboot() async throws {
            let script = "echo started >>/data/log; exec sleep 1000000"
            for storage in Storage.available {
                try await host.createVolume("\(storage)", on: storage)
                // A server on the same host is not there before the engine.
                let options = [.sshfs, .glusterfs].contains(storage) ? [] : ["--restart", "always"]
                try await host.start("user-\(storage)", script, volumes: "\(storage):/data", options: options)
            }
            let mounted = try await host.mounts()

            try await host.reboot()
            print("mounted before the reboot:\n\(mounted.joined(separator: "\n"))")
            let trouble = try await host.bash(
                "journalctl -b -1 --no-pager | grep -iE 'run-mobyfs.*(fail|timed out)|ordering cycle' || true")
            #expect(trouble == "", "unmounting at shutdown went wrong")
            for storage in Storage.available {
                let user = "user-\(storage)"
                if [.sshfs, .glusterfs].contains(storage) {
                    try await eventually("'\(user)' starts") {
                        try await host.attemptDocker(["start", user]).succeeded
                    }
                }
                try await eventually("'\(user)' runs again") { try await host.isRunning(user) }
                let starts = try await host.exec(user, "cat /data/log").lines.count
                #expect(starts == (storage.isLasting ? 2 : 1), "\(storage)")
                try await host.expectHeld("\(storage)")
                try await host.docker("rm", "-f", user)
                try await host.expectReleased("\(storage)", on: storage)
            }
        }

        @Test func removingThePackageLeavesNothingMounted() async throws {
            try await host.withPackageReinstalled {
                for storage in Storage.available { try await host.createVolume("\(storage)", on: storage) }
                for storage in Storage.available {
                    try await host.inContainer("echo precious >/data/f", volumes: "\(storage):/data")
                }
                try await host.start("user", volumes: "ext4:/data")
                let output = try await host.uninstall("purge")
                #expect(output.contains("/var/lib/mobyfs"))
                #expect(try await host.mounts().isEmpty)
                #expect(try await !host.exists("/run/mobyfs"))
                try await eventually("nobody serves a file system") {
                    try await host.bash("pgrep -af '[/]run/mobyfs|[s]shfs' || true") == ""
                }
                // Nothing is pulled from under a container.
                #expect(try await host.exec("user", "cat /data/f") == "precious")
                try await host.docker("rm", "-f", "user")
                try await eventually("no loop device is left") {
                    try await !host.run("losetup", "-n", "-O", "BACK-FILE").contains("/var/lib/mobyfs")
                }

                try await host.install()
                for storage in Storage.available where storage.isLasting {
                    let text = try await host.inContainer("cat /data/f", volumes: "\(storage):/data")
                    #expect(text == "precious", "\(storage)")
                }
            }
        }

        /// Who serves a FUSE mount is a child of the service, and outlives it.
        @Test(.enabled(if: Storage.missing == nil, Comment(rawValue: Storage.missing ?? "")))
        func whatServesAMountOutlivesRestartsAndUpgrades() async throws {
            let (package, _) = try await host.makeUpgrade()
            try await host.createVolume("remote", on: .sshfs)
            try await host.createVolume("bricks", on: .glusterfs)
            try await host.start("user", volumes: "remote:/data", "bricks:/more")
            let servers = try await host.bash("pgrep -x sshfs; pgrep -f '[g]lusterfs --process-name fuse.*/run/mobyfs'")
            #expect(servers.lines.count == 2)
            try await host.withPackageReinstalled {
                try await host.run("systemctl", "restart", "mobyfs.service")
                try await host.install(package)
                try await host.run("systemctl", "stop", "mobyfs.service", "mobyfs.socket")
                try await host.run("systemctl", "start", "mobyfs.socket")
                let pids = servers.lines.joined(separator: ",")
                #expect(try await host.run("ps", "-o", "pid=", "-p", pids).lines.count == 2, "a server was ended")
                #expect(
                    try await host.exec("user", "echo on | tee /data/f /more/f; cat /data/f /more/f") == "on\non\non")
                try await host.expectHeld("remote")
                try await host.expectHeld("bricks")
            }
            try await host.docker("rm", "-f", "user")
            try await host.expectReleased("remote", on: .sshfs)
            try await host.expectReleased("bricks", on: .glusterfs)
            try await eventually("nobody serves them any more") {
                try await host.bash("pgrep -af '[/]run/mobyfs' || true") == ""
            }
        }

        @Test func atShutdownVolumesAreUnmountedAfterTheEngine() async throws {
            try await host.createVolume("a-b.c", on: .ext4)
            try await host.start("user", volumes: "a-b.c:/data")
            let mounts = try await host.mounts()
            let mount = try #require(mounts.first { $0.contains("a-b.c") }, "\(mounts)").split(separator: " ")[4]
            let unit = try await host.run("systemd-escape", "-p", "--suffix=mount", String(mount))
            try await eventually("systemd knows '\(unit)'") { try await host.isActive(unit) }
            let before = try await host.run("systemctl", "show", "--value", "-p", "Before", unit)
            #expect(before.split(separator: " ").contains("docker.service"))
            let after = try await host.run("systemctl", "show", "--value", "-p", "After", unit)
            #expect(after.split(separator: " ").contains("mobyfs-data.target"))
        }

        /// As with `nofail` in fstab, at a boot without the disk.
        @Test func aDataDiskThatIsMissingIsToldOfAndTakenUpOnceItIsThere() async throws {
            let unit = "[Mount]\nWhat=/root/late\nWhere=/var/lib/mobyfs\nType=ext4\nOptions=loop\n"
            try await host.withFile(
                "/etc/systemd/system/var-lib-mobyfs.mount", unit,
                apply: "systemctl daemon-reload; systemctl stop mobyfs.service; systemctl start mobyfs.service",
                undo: """
                    systemctl stop mobyfs.service; umount -q /var/lib/mobyfs || true; rm -f /root/late
                    systemctl daemon-reload; systemctl start mobyfs.service
                    """
            ) {
                let refusal = await #expect(throws: CommandFailure.self) { try await host.createVolume("late") }
                #expect("\(String(describing: refusal))".contains("is not mounted at '/var/lib/mobyfs'"))
                try await eventually("systemctl says why") {
                    try await host.run("systemctl", "show", "--value", "-p", "StatusText", "mobyfs.service")
                        .contains("systemctl status var-lib-mobyfs.mount")
                }
                #expect(try await host.isActive("mobyfs.service"))
                try await host.bash(
                    "truncate -s 64M /root/late; mkfs.ext4 -q /root/late; systemctl start var-lib-mobyfs.mount")
                try await host.createVolume("late")
                try await host.run("test", "-d", "/var/lib/mobyfs/volumes/late")
                try await expectKnownWithoutItsDisk("late")
                try await host.docker("volume", "rm", "late")
            }
        }

        /// An engine that is started without the disk asks for each volume that it knows, and waits for the answer.
        private func expectKnownWithoutItsDisk(_ name: String) async throws {
            try await host.bash(
                """
                systemctl stop mobyfs.service; umount /var/lib/mobyfs; mv /root/late /root/away
                systemctl start mobyfs.service
                """)
            let begin = ContinuousClock.now
            try await host.run("systemctl", "restart", "docker")
            #expect(ContinuousClock.now - begin < .seconds(15), "as long as an engine waits for one answer")
            let refusal = await #expect(throws: CommandFailure.self) {
                try await host.docker("run", "--rm", "-v", "\(name):/data", "bb:1", "true")
            }
            #expect("\(String(describing: refusal))".contains("is not mounted at '/var/lib/mobyfs'"))
            #expect(try await host.docker("volume", "ls", "-q", "-f", "driver=mobyfs").contains(name))
            #expect(try await host.docker("volume", "ls", "-q", "-f", "driver=local") == "")
            try await host.bash("mv /root/away /root/late; systemctl start var-lib-mobyfs.mount")
            try await host.docker("run", "--rm", "-v", "\(name):/data", "bb:1", "true")
        }

        /// As with `MountFlags=slave`, which engines were started with for years, or with `PrivateTmp=yes`.
        @Test func anEngineWithItsOwnMountNamespaceSeesTheMounts() async throws {
            // With a containerd of its own: the host's would look for the containers' files in the host's namespace.
            let restart = "systemctl daemon-reload; systemctl reset-failed docker; systemctl restart docker"
            let dropIn = "/etc/systemd/system/docker.service.d/own.conf"
            let own = "[Service]\nMountFlags=slave\nExecStart=\nExecStart=/usr/sbin/dockerd -H fd://\n"
            try await host.withFile(
                dropIn, own, apply: "systemctl stop docker; systemctl mask -q --runtime --now containerd; \(restart)",
                undo: "systemctl stop docker; systemctl unmask -q --runtime containerd; \(restart)"
            ) {
                for storage in Storage.available where storage.isMounted {
                    try await host.createVolume("\(storage)", on: storage)
                    try await host.start("user", "echo here >/data/f; exec sleep 1000000", volumes: "\(storage):/data")
                    #expect(try await host.read("\(host.inspectVolume("\(storage)").mountpoint)/f") == "here")
                    try await host.expectHeld("\(storage)")
                    try await host.docker("rm", "-f", "user")
                    try await host.expectReleased("\(storage)", on: storage)
                    try await host.docker("volume", "rm", "\(storage)")
                }
            }
        }

        @Test func eightContainersWithAVolumeEachStartAtOnce() async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 1...8 {
                    group.addTask {
                        let name = "together-\(number)"
                        try await host.createVolume(name, options: ["fs=ext4", "size=16M"])
                        let script = "echo \(number) >/data/f; cat /data/f"
                        #expect(try await host.inContainer(script, volumes: "\(name):/data") == "\(number)")
                        try await host.waitUntilFree(name)
                        try await host.docker("volume", "rm", name)
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await host.mounts().isEmpty)
        }

        @Test func aPoolOnBtrfsHoldsVolumesToTheirSize() async throws {
            try await host.withBtrfsPool {
                try await host.createVolume("db", options: ["size=32M", "compression=zstd"])
                #expect(try await host.inspectVolume("db").status?.driver == "btrfs")
                try await host.makeSeedImage()
                let seeded = try await host.inContainer(
                    "cat /data/file", volumes: "db:/data", image: EngineHost.seedImage)
                #expect(seeded == "seeded")
                try await host.start("user", volumes: "db:/data")
                // Random, as compression makes room.
                let write = ["dd", "if=/dev/urandom", "of=/data/filler", "bs=1M", "count=64", "conv=fsync"]
                let output = try await host.attemptDocker(["exec", "user"] + write)
                #expect(output.standardError.contains("Disk quota exceeded"), "\(output.standardError)")
                #expect(try await host.exec("user", "cat /data/file") == "seeded")
                #expect(try await host.run("mobyfs", "volume", "resize", "db", "128M").contains("128"))
                try await host.exec("user", "dd if=/dev/urandom of=/data/filler bs=1M count=64 conv=fsync")
                try await host.run("systemctl", "restart", "mobyfs.service")
                try await host.expectHeld("db")
                try await host.docker("rm", "-f", "user")
                try await host.waitUntilFree("db")
                try await host.docker("volume", "rm", "db")
                try await eventually("the subvolume is gone") {
                    try await host.run("btrfs", "subvolume", "list", "/var/lib/mobyfs") == ""
                }
            }
        }
    }
}
