// SPDX-License-Identifier: Apache-2.0

import MobyFSDaemon
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite(.enabled(if: Machine.isRoot, "needs root, to change groups")) struct FolderAccessTests {
    private static func narrowed(
        dataMode: UInt32 = 0o711, dataGroup: UInt32 = 0, subordinateGroups: String?
    ) async throws -> [String] {
        try await withTemporaryDirectory { root in
            let (data, runtime) = (root.appending("data"), root.appending("run"))
            try Directories.create(data, mode: dataMode)
            try Directories.set(owner: nil, group: dataGroup, mode: nil, of: data)
            try Directories.create(runtime, mode: 0o711)
            if let subordinateGroups { try root.appending("subgid").write(subordinateGroups) }
            let access = FolderAccess(data: data, subordinateGroups: root.appending("subgid"))
            try access.narrow(data)
            try access.narrow(runtime)
            return [data, runtime].map(\.attributes).map { "\(String($0.mode, radix: 8)) \($0.group)" }
        }
    }

    @Test func letsNobodyButRootThrough() async throws {
        let folders = try await Self.narrowed(subordinateGroups: nil)
        #expect(folders == ["710 0", "710 0"])
    }

    @Test func letsContainersInUserNamespacesThrough() async throws {
        let folders = try await Self.narrowed(subordinateGroups: "joe:100000:65536\ndockremap:165536:65536\n")
        #expect(folders == ["710 165536", "710 165536"])
    }

    @Test func givesTheOtherFolderTheGroupThatThePoolWasGiven() async throws {
        let folders = try await Self.narrowed(dataGroup: 4711, subordinateGroups: "dockremap:165536:65536\n")
        #expect(folders == ["710 4711", "710 4711"])
    }

    @Test func leavesAModeThatSomebodyHasChosen() async throws {
        let folders = try await Self.narrowed(dataMode: 0o755, subordinateGroups: nil)
        #expect(folders == ["755 0", "710 0"])
    }
}
