// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// The storage in the documentation, with a real kernel.
@Suite(.enabled(if: Machine.isRoot, "needs to be root to mount")) struct MemoryVolumesTests {
    @Test func mountsAndUnmounts() async throws {
        try await withTemporaryDirectory { root in
            let data = root.appending("data")
            let volume = data.appending("v")
            let engine = Caller(processID: Wire.ownProcessID)
            do {
                let volumes = try StoredVolumes(MemoryVolumes(root: data.string), in: "\(root)/volumes")
                await #expect(throws: PluginError.self) { try await volumes.create("v", options: ["sise": "1m"]) }
                try await volumes.create("v", options: ["size": "1m"])
                let path = try await volumes.mount("v", id: "i", for: engine)
                #expect(path == volume.string)
                #expect(try MountTable().mount(within: root)?.mountpoint == volume)
                try volume.appending("file").write("x")
            }
            // As after a restart of the plugin: mounted once, and not twice.
            let volumes = try await restarted(MemoryVolumes(root: data.string), in: "\(root)/volumes")
            _ = try await volumes.mount("v", id: "j", for: engine)
            #expect(volume.appending("file").exists)
            for id in ["i", "j"] { try await volumes.unmount("v", id: id) }
            #expect(try MountTable().mount(within: root) == nil)
            try await volumes.remove("v")
            #expect(!volume.exists)
        }
    }

    /// The plugin of a process after another one: a task that has ended lets go of the folder a moment later.
    private func restarted(_ storage: MemoryVolumes, in folder: String) async throws -> StoredVolumes<MemoryVolumes> {
        let deadline = ContinuousClock.now + .seconds(90)
        while true {
            do {
                return try StoredVolumes(storage, in: folder)
            } catch let error as PluginError where ContinuousClock.now < deadline {
                guard error.description.contains("another process") else { throw error }
                await Task.yield()
            }
        }
    }
}
