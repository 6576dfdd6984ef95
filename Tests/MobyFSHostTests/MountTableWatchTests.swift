// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite(.enabled(if: Machine.isRoot, "mounting needs root"))
struct MountTableWatchTests {
    @Test func noticesEachMountAndUnmount() async throws {
        try await withTemporaryDirectory { root in
            let watch = MountTableWatch()
            let before = try #require(watch.generation)
            try Mounts.mount(type: "tmpfs", source: "none", at: root)
            let mounted = try #require(watch.generation)
            try Mounts.unmount(root)
            let unmounted = try #require(watch.generation)
            #expect(before < mounted && mounted < unmounted)
        }
    }
}
