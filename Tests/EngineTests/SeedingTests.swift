// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineTests {
    /// The engine fills a new volume from the image; that must find an empty folder and be allowed everything.
    @Suite struct SeedingTests {
        let host = EngineHost.shared

        private let image = EngineHost.seedImage

        init() async throws {
            try await host.makeSeedImage()
        }

        @Test func aNewVolumeGetsTheImagesContentOwnerAndMode() async throws {
            let script = "cd /data && stat -c '%n %u:%g %a' . file folder && readlink link && cat file"
            let expected = ". 1234:1234 2770\nfile 1234:1234 640\nfolder 77:88 1733\nfile\nseeded"
            #expect(try await host.inContainer(script, volumes: "seeded:/data", image: image) == expected)

            let mountpoint = try await host.inspectVolume("seeded").mountpoint
            #expect(try await host.run("stat", "-c", "%u:%g %a", mountpoint) == "1234:1234 2770")
            #expect(try await host.names(in: mountpoint) == ["file", "folder", "link"])
            // The same from a container without that content.
            #expect(try await host.inContainer(script, volumes: "seeded:/data") == expected)
            try await host.waitUntilFree("seeded")
        }

        @Test func aContainerThatIsNotRootWritesToASeededVolume() async throws {
            let script = "echo mine >/data/mine && stat -c '%u:%g' /data/mine"
            let user = ["--user", "1234:1234"]
            let owner = try await host.inContainer(script, volumes: "own:/data", options: user, image: image)
            #expect(owner == "1234:1234")
            #expect(try await host.inContainer("cat /data/mine", volumes: "own:/data", options: user) == "mine")

            let other = ["--user", "4321:4321"]
            await #expect(throws: CommandFailure.self, "the mode of the folder is in force") {
                try await host.inContainer(script, volumes: "own:/data", options: other, image: image)
            }
        }

        @Test func aVolumeIsSeededOnlyOnce() async throws {
            try await host.inContainer("rm /data/file; echo changed >/data/new", volumes: "once:/data", image: image)
            let names = try await host.inContainer("ls /data", volumes: "once:/data", image: image)
            #expect(names == "folder\nlink\nnew")
        }

        @Test func ownerAndModeCanBeAskedFor() async throws {
            try await host.createVolume("owned", options: ["uid=1500", "gid=1600", "mode=2750"])
            let script = "stat -c '%u:%g %a' /data; echo mine >/data/mine && cat /data/mine"
            #expect(
                try await host.inContainer(script, volumes: "owned:/data", options: ["--user", "1500:1600"])
                    == "1500:1600 2750\nmine")
            await #expect(throws: CommandFailure.self) {
                try await host.inContainer("touch /data/f", volumes: "owned:/data", options: ["--user", "1501:1600"])
            }
        }
    }
}

extension EngineHost {
    /// busybox with a populated `/data` of uid and gid 1234, mode 2770.
    static let seedImage = "eng-seed:1"

    func makeSeedImage() async throws {
        guard try await !attemptDocker(["image", "inspect", Self.seedImage]).succeeded else { return }
        try await bash(
            """
            rm -rf /root/seed; mkdir /root/seed
            tar -C /root/seed -xpf /usr/share/legacy-host/busybox.tar
            mkdir -p /root/seed/data/folder
            echo seeded >/root/seed/data/file
            ln -s file /root/seed/data/link
            chown -hR 1234:1234 /root/seed/data
            chown 77:88 /root/seed/data/folder
            chmod 2770 /root/seed/data
            chmod 640 /root/seed/data/file
            chmod 1733 /root/seed/data/folder
            tar -C /root/seed -c . | docker import -c 'CMD ["sh"]' - \(Self.seedImage)
            """)
    }
}
