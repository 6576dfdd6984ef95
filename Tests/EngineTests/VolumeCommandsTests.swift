// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineTests {
    /// `docker volume create`, `inspect`, `ls` and `rm`.
    @Suite struct VolumeCommandsTests {
        let host = EngineHost.shared

        @Test func aVolumeIsCreatedInspectedListedUsedAndRemoved() async throws {
            try await host.expectWholeLife(ofVolume: "commands")
        }

        /// The name is free again, and nothing of the old volume shows in the new one.
        @Test func aVolumeOfARemovedOnesNameIsEmpty() async throws {
            try await host.createVolume("again", options: ["mode=0700"])
            try await host.inContainer("touch /data/old", volumes: "again:/data")
            try await host.waitUntilFree("again")
            try await host.docker("volume", "rm", "again")

            try await host.createVolume("again")
            #expect(try await host.inContainer("ls -A /data", volumes: "again:/data") == "")
        }

        @Test func volumesAreListedOnceEach() async throws {
            let names = (1...12).map { "many-\($0)" }
            for name in names { try await host.createVolume(name) }
            #expect(try await host.volumeNames().sorted() == names.sorted())
        }

        @Test func dataUnderAMountpointOfTheOperatorIsKeptOnRemove() async throws {
            try await host.bash("rm -rf /srv/eng; mkdir -p /srv/eng/present; echo old >/srv/eng/present/f")
            try await host.createVolume("present", options: ["mountpoint=/srv/eng/present"])
            try await host.createVolume("absent", options: ["mountpoint=/srv/eng/deep/absent"])
            #expect(try await host.inspectVolume("present").mountpoint == "/srv/eng/present")
            #expect(try await host.run("stat", "-c", "%a", "/srv/eng/deep/absent") == "755")

            let script = "cat /present/f; echo new >/present/g; echo new >/absent/g"
            #expect(try await host.inContainer(script, volumes: "present:/present", "absent:/absent") == "old")
            try await host.waitUntilFree("present")
            try await host.waitUntilFree("absent")
            try await host.docker("volume", "rm", "present", "absent")
            #expect(try await host.read("/srv/eng/present/f") == "old")
            #expect(try await host.read("/srv/eng/present/g") == "new")
            #expect(try await host.read("/srv/eng/deep/absent/g") == "new")
        }

        @Test(arguments: [
            "../escape", "with/slash", "-dash", ".dot", "sp ace", "new\nline", "ünïcode",
            String(repeating: "n", count: 300),
        ])
        func aBadNameIsRefusedAndLeavesNothing(name: String) async throws {
            try await expectRefusal(["--", name], mentioning: "name")
        }

        @Test(arguments: [
            ("mode=999", "mode"),
            ("uid=nobodyhere", "nobodyhere"),
            ("mountpoint=relative", "mountpoint"),
            ("mountpoint=/etc/passwd", "/etc/passwd"),
            ("colour=red", "on-remove"),
        ])
        func aBadOptionIsRefusedAndLeavesNothing(option: String, mentioned: String) async throws {
            try await expectRefusal(["-o", option, "refused"], mentioning: mentioned)
        }

        private func expectRefusal(_ arguments: [String], mentioning text: String) async throws {
            let before = try await host.bash("find /var/lib/mobyfs /var/lib -maxdepth 1 | sort")
            let output = try await host.attemptDocker(["volume", "create", "-d", "mobyfs"] + arguments)
            #expect(!output.succeeded)
            #expect(output.standardError.contains(text))
            #expect(try await host.volumeNames().isEmpty)
            #expect(try await host.storedVolumes().isEmpty)
            #expect(try await host.bash("find /var/lib/mobyfs /var/lib -maxdepth 1 | sort") == before)
        }
    }
}
