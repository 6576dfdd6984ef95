// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MobyFSHost
import MobyFSTesting
import Subprocess
import SystemPackage
import Testing

/// The SDK's first example: what a plugin of under 30 lines has for nothing.
@Suite struct ScratchTests {
    private static let db = #"{"Name":"db"}"#
    private static let mount = #"{"Name":"db","ID":"0123456789abcdef"}"#

    @Test func isShort() throws {
        let source = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
            .appending("Sources/Examples/scratch/Scratch.swift")
        let lines = try source.text.split(separator: "\n").filter { line in
            let text = line.drop { $0 == " " }
            return !text.isEmpty && !text.hasPrefix("//")
        }
        #expect(lines.count < 30)
    }

    @Test func servesAVolumesLife() async throws {
        try await withTemporaryDirectory { root in
            let ending = try await withScratch(in: root) { plugin in
                #expect(try plugin.specFile.text == "unix://\(plugin.socket)\n")
                let activated = try await plugin.call("Plugin.Activate", "")
                #expect(activated == #"{"Implements":["VolumeDriver"]}"#)
                let created = try await plugin.call("VolumeDriver.Create", #"{"Name":"db","Opts":null}"#)
                #expect(created == "{}")
                let path = root.appending("data/db")
                for _ in 0..<2 {
                    let mounted = try await plugin.call("VolumeDriver.Mount", Self.mount)
                    #expect(mounted == "{\"Mountpoint\":\"\(path)\"}")
                }
                try path.appending("file").write("kept")
                let described = try await plugin.call("VolumeDriver.Get", Self.db)
                #expect(described.contains("\"Mountpoint\":\"\(path)\""))
                #expect(described.contains(#""Status":{"mounts":2}"#))
                let held = try await plugin.call("VolumeDriver.Remove", Self.db)
                #expect(held.contains("in use by 2 mounts"))
                for _ in 0..<2 { _ = try await plugin.call("VolumeDriver.Unmount", Self.mount) }
                let removed = try await plugin.call("VolumeDriver.Remove", Self.db)
                #expect(removed == "{}")
                #expect(!path.exists)
                let gone = try await plugin.call("VolumeDriver.Get", Self.db)
                #expect(gone == #"{"Err":"no such volume: 'db'"}"#)
            }
            #expect(ending == .exited(0))
            #expect(!root.appending("scratch.sock").exists)
            #expect(!root.appending("specs/scratch.spec").exists)
        }
    }

    @Test(arguments: [
        (#"{"Name":"db","Opts":{"size":"1G"}}"#, "a scratch volume has no options"),
        (#"{"Name":"../db","Opts":{}}"#, "begins with a letter or a digit"),
    ])
    func saysWhatItDoesNotTake(request: String, answer: String) async throws {
        try await withTemporaryDirectory { root in
            _ = try await withScratch(in: root) { plugin in
                let refused = try await plugin.call("VolumeDriver.Create", request)
                #expect(refused.contains(answer))
                let listed = try await plugin.call("VolumeDriver.List", "{}")
                #expect(listed == #"{"Volumes":[]}"#)
            }
        }
    }

    @Test func knowsVolumesAndMountsAfterACrash() async throws {
        try await withTemporaryDirectory { root in
            let ending = try await withScratch(in: root) { plugin in
                _ = try await plugin.call("VolumeDriver.Create", Self.db)
                _ = try await plugin.call("VolumeDriver.Mount", Self.mount)
                plugin.send(SIGKILL)
            }
            #expect(ending == .signaled(SIGKILL))
            // Left behind, and no obstacle.
            #expect(root.appending("scratch.sock").exists)
            _ = try await withScratch(in: root) { plugin in
                try await plugin.wait("the plugin listens") { (try? Wire(plugin.socket)) != nil }
                let described = try await plugin.call("VolumeDriver.Get", Self.db)
                #expect(described.contains(#""Status":{"mounts":1}"#))
                let held = try await plugin.call("VolumeDriver.Remove", Self.db)
                #expect(held.contains("in use by 1 mount:"))
                _ = try await plugin.call("VolumeDriver.Unmount", Self.mount)
                let removed = try await plugin.call("VolumeDriver.Remove", Self.db)
                #expect(removed == "{}")
            }
        }
    }

    @Test(.enabled(if: FilePath("/usr/bin/systemd-socket-activate").exists, "needs systemd-socket-activate"))
    func servesASocketThatIsPassed() async throws {
        try await withTemporaryDirectory { root in
            let passed = root.appending("passed.sock")
            let launcher = ["/usr/bin/systemd-socket-activate", "--listen", passed.string]
            _ = try await withScratch(in: root, launcher: launcher) { plugin in
                try await plugin.wait("the socket") { passed.isListeningSocket }
                // The first connection is what starts the plugin.
                let created = try await plugin.call("VolumeDriver.Create", Self.db, at: passed)
                #expect(created == "{}")
                #expect(!plugin.socket.exists)
                // It is told of by whoever passes it.
                #expect(!plugin.specFile.exists)
            }
            #expect(passed.exists)
        }
    }

    @Test func saysInOneLineWhyItCannotStart() async throws {
        try await withTemporaryDirectory { root in
            _ = try await withScratch(in: root) { _ in
                let second = try await run(
                    .path(RunningScratch.binary), arguments: ["--root", "\(root)", "--spec-dir", "\(root)/specs"],
                    output: .string(limit: 1 << 20), error: .combinedWithOutput)
                #expect(second.terminationStatus == .exited(1))
                #expect(second.standardOutput.hasPrefix("Error: another process keeps volumes in '\(root)/volumes'"))
                #expect(second.standardOutput.split(separator: "\n").count == 1)
            }
        }
    }
}
