// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineTests {
    /// `docker cp` mounts the volumes of a running container a second time with the same mount ID and unmounts them
    /// again: a plugin that keeps a set of IDs drops them under the container.
    @Suite struct CopyTests {
        let host = EngineHost.shared

        @Test func copyingFromAndToARunningContainerDoesNotDropItsVolume() async throws {
            try await host.start("copied", volumes: "copied:/data")
            try await host.exec("copied", "echo out >/data/out")
            try await host.write("in\n", to: "/root/copy/in")

            for _ in 1...3 {
                try await host.docker("cp", "copied:/data/out", "/root/copy/out")
                try await host.docker("cp", "/root/copy/in", "copied:/data/in")
            }
            #expect(try await host.read("/root/copy/out") == "out")
            #expect(try await host.exec("copied", "cat /data/in") == "in")
            try await expectInUse("copied")

            try await host.docker("stop", "copied")
            try await host.waitUntilFree("copied")
            try await host.docker("rm", "copied")
            try await host.docker("volume", "rm", "copied")
        }

        @Test func copyingFromTwoContainersOfOneVolumeHoldsItForBoth() async throws {
            try await host.start("left", volumes: "common:/data")
            try await host.start("right", volumes: "common:/data")
            try await host.exec("left", "echo out >/data/out")
            try await host.docker("cp", "left:/data/out", "/root/")
            try await host.docker("cp", "right:/data/out", "/root/")
            try await host.expectHeld("common", mounts: 2)

            try await host.docker("rm", "-f", "right")
            try await eventually("one mount is left") { try await host.inspectVolume("common").status?.mounts == 1 }
            try await host.docker("cp", "left:/data/out", "/root/")
            try await host.expectHeld("common")
            try await host.docker("rm", "-f", "left")
            try await host.waitUntilFree("common")
        }

        @Test func copyingFromAStoppedContainerHoldsNothing() async throws {
            try await host.start("stopped", volumes: "idle:/data")
            try await host.exec("stopped", "echo out >/data/out")
            try await host.docker("stop", "stopped")
            try await host.waitUntilFree("idle")

            try await host.docker("cp", "stopped:/data/out", "/root/out")
            #expect(try await host.read("/root/out") == "out")
            try await host.waitUntilFree("idle")
        }

        /// The volume is held as one mount, cannot be removed, and still is what the container writes to.
        private func expectInUse(_ name: String) async throws {
            try await host.expectHeld(name)
            await #expect(throws: CommandFailure.self) { try await host.docker("volume", "rm", name) }
            try await host.exec(name, "echo after >/data/after")
            let mountpoint = try await host.inspectVolume(name).mountpoint
            #expect(try await host.read("\(mountpoint)/after") == "after")
        }
    }
}
