// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSTesting
import SystemPackage
import Testing

/// The daemon as an engine runs it in a managed plugin, but for the root folder of its own.
@Suite struct ManagedDaemonTests {
    @Test func refusesADataFolderThatWouldGoWithThePlugin() async throws {
        try await withTemporaryDirectory { root in
            let arguments = RunningDaemon.arguments(in: root) + ["--managed"]
            let refused = try await runToEnd(arguments)
            #expect(refused.status == 2)
            #expect(
                refused.output.contains("'\(root)/data' is no folder of the host, and would be deleted with the plugin")
            )
            #expect(!root.appending("data").exists)
        }
    }

    @Test(.enabled(if: Machine.isRoot, "mounting needs root"), arguments: ["Mount", "Path", "List"])
    func tellsPathsThatLeadOutOfThePluginsFolder(method: String) async throws {
        try await withManagedDaemon { daemon in
            _ = try await daemon.call("VolumeDriver.Create", #"{"Name":"v"}"#)
            let answer = try await daemon.call("VolumeDriver.\(method)", #"{"Name":"v","ID":"1"}"#)
            // As engines join them: by the text.
            let folder = FilePath("/var/lib/docker/plugins/0123/rootfs")
            let path = folder.pushing(FilePath("." + Self.mountpoint(in: answer))).lexicallyNormalized()
            #expect(path == daemon.data.appending("volumes/v/data"), "\(answer)")
        }
    }

    /// What is said in answer to Get engines join to nothing, and show.
    @Test(.enabled(if: Machine.isRoot, "mounting needs root"))
    func tellsPeopleAPlainPath() async throws {
        try await withManagedDaemon { daemon in
            _ = try await daemon.call("VolumeDriver.Create", #"{"Name":"v"}"#)
            let answer = try await daemon.call("VolumeDriver.Get", #"{"Name":"v"}"#)
            #expect(Self.mountpoint(in: answer) == "\(daemon.data)/volumes/v/data")
        }
    }

    @Test(.enabled(if: Machine.isRoot, "mounting needs root"))
    func refusesVolumesThatAreNotInItsDataFolder() async throws {
        try await withManagedDaemon { daemon in
            let answer = try await daemon.call("VolumeDriver.Create", #"{"Name":"v","Opts":{"mountpoint":"/srv/v"}}"#)
            #expect(answer.contains("option mountpoint='/srv/v' is out of reach of a managed plugin"))
            let list = try await daemon.call("VolumeDriver.List", "")
            #expect(list == #"{"Volumes":[]}"#)
        }
    }

    private static func mountpoint(in answer: String) -> String {
        let key = #""Mountpoint":""#
        return answer.firstRange(of: key).map { String(answer[$0.upperBound...].prefix { $0 != "\"" }) } ?? ""
    }

    private func withManagedDaemon(_ body: @escaping @Sendable (RunningDaemon) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            let data = root.appending("data").string
            try #require(mkdir(data, 0o711) == 0)
            try #require(mount(data, data, nil, UInt(MS_BIND), nil) == 0)
            defer { umount2(data, CInt(MNT_DETACH)) }
            try await withDaemon(in: root, arguments: ["--managed"]) { try await body($0) }
        }
    }
}
