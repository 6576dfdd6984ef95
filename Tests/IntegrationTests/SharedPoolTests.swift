// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Glibc
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// Several daemons with one pool.
///
/// Here they share a folder of this host, each with a runtime directory of its own, which is what makes them different
/// hosts; `TwoHostsTests` has two hosts and a GlusterFS volume.
@Suite(.timeLimit(.minutes(3))) struct SharedPoolTests {
    private static var canShare: Bool { geteuid() == 0 && LoopDevice.obstacle == nil }

    /// Runs `body` with two daemons, one pool.
    private func withTwo(
        _ body: @escaping @Sendable (_ pool: FilePath, RunningDaemon, RunningDaemon) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { root in
            let pool = root.appending("pool")
            try await withHost("a", of: root) { one in
                try await withHost("b", of: root) { other in
                    try await body(pool, one, other)
                    // A mount namespace that another test has made meanwhile may have a volume for a while.
                    try await eventually("nothing is mounted") {
                        try [one, other].allSatisfy {
                            try Directories.entries(of: $0.runtime.appending("announced")).isEmpty
                        }
                    }
                }
            }
            // Who has nothing mounted leaves the pool when it is stopped.
            try await eventually("nobody is left") { try Directories.entries(of: pool.appending("hosts")).isEmpty }
        }
    }

    private func withHost(
        _ name: String, of root: FilePath, _ body: @escaping @Sendable (RunningDaemon) async throws -> Void
    ) async throws {
        let folder = root.appending(name)
        try Directories.create(folder, mode: 0o755)
        try await withDaemon(
            in: folder, arguments: ["--data-dir", "\(root)/pool", "--shared", "true"], body)
    }

    /// Starts one more daemon with the pool, which the one that is there does not bear.
    private func expectRefusal(
        _ more: String..., in folder: FilePath, with pool: FilePath, by daemon: RunningDaemon,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let outcome = try await runToEnd(
            ["start", "--config", "/dev/null", "--data-dir", pool.string, "--runtime-dir", folder.string] + more)
        #expect(outcome.status != 0, sourceLocation: sourceLocation)
        #expect(
            outcome.output.contains("process \(daemon.processID) serves volumes with '\(pool)' already"),
            sourceLocation: sourceLocation)
    }

    @Test func isNotSharedWithADaemonThatThinksItIsAlone() async throws {
        try await withTemporaryDirectory { root in
            let (pool, alone) = (root.appending("pool"), root.appending("alone"))
            try Directories.create(alone, mode: 0o755)
            try await withDaemon(in: alone, arguments: ["--data-dir", pool.string]) { daemon in
                try await expectRefusal("--shared", "true", in: root.appending("other"), with: pool, by: daemon)
            }
            try await withHost("a", of: root) { daemon in
                try await expectRefusal(in: root.appending("other"), with: pool, by: daemon)
            }
        }
    }

    private func mobyfs(_ arguments: String..., on host: RunningDaemon) async throws -> CommandOutcome {
        try await CommandOutcome(of: arguments + ["--config", "/dev/null", "--runtime-dir", host.runtime.string])
    }

    private static let image = #"{"Name":"db","Opts":{"fs":"ext4","size":"16M"}}"#

    /// Makes a call that is answered with a text.
    private func expect(
        _ text: String, of call: String, _ request: String, on host: RunningDaemon,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let answer = try await host.call("VolumeDriver.\(call)", request)
        #expect(answer.contains(text), sourceLocation: sourceLocation)
    }

    /// Makes a call that has nothing to answer.
    private func succeed(
        _ call: String, _ request: String, on host: RunningDaemon, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let answer = try await host.call("VolumeDriver.\(call)", request)
        #expect(answer == "{}", sourceLocation: sourceLocation)
    }

    /// Mounts an image that another host has just unmounted.
    ///
    /// A mount namespace that another test has made meanwhile may have it for a while.
    private func expectToMountOnceFree(_ mount: String, on host: RunningDaemon) async throws {
        try await eventually("the image is free") {
            try await host.call("VolumeDriver.Mount", mount).contains(#""Mountpoint""#)
        }
    }

    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func volumesAreThoseOfAllHostsAtOnce() async throws {
        try await withTwo { _, one, other in
            try await expect("global", of: "Capabilities", "{}", on: one)
            for number in 0..<20 {
                let name = #"{"Name":"data\#(number)"}"#
                try await succeed("Create", name, on: one)
                try await expect(#""Mountpoint""#, of: "Get", name, on: other)
            }
            let list = try await other.call("VolumeDriver.List", "{}")
            #expect((0..<20).allSatisfy { list.contains(#""Name":"data\#($0)""#) })

            #expect(try await mobyfs("volume", "set", "data0", "mode=0750", on: one).status == 0)
            try await expect(#""mode":"0750""#, of: "Get", #"{"Name":"data0"}"#, on: other)
            #expect(try await mobyfs("volume", "rename", "data0", "renamed", on: other).status == 0)
            try await expect("no such volume", of: "Get", #"{"Name":"data0"}"#, on: one)
            try await expect("no such volume", of: "Mount", #"{"Name":"data0","ID":"m"}"#, on: one)
            try await succeed("Remove", #"{"Name":"renamed"}"#, on: one)
            try await expect("no such volume", of: "Get", #"{"Name":"renamed"}"#, on: other)
            #expect(try await !other.call("VolumeDriver.List", "{}").contains("renamed"))
        }
    }

    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func oneHostAtATimeHasAnImage() async throws {
        try await withTwo { _, one, other in
            let (name, mount) = (#"{"Name":"db"}"#, #"{"Name":"db","ID":"m"}"#)
            try await succeed("Create", Self.image, on: one)
            try await expect("Mountpoint", of: "Mount", mount, on: one)

            try await expect("is mounted on host", of: "Mount", mount, on: other)
            try await expect("is in use on host", of: "Remove", name, on: other)
            for command in [
                ["snapshot", "db"], ["resize", "db", "32M"], ["rename", "db", "store"], ["clone", "db", "copy"],
                ["export", "db", "--output", "\(other.root)/db.tar"],
            ] {
                let outcome = try await CommandOutcome(
                    of: ["volume"] + command + ["--config", "/dev/null", "--runtime-dir", other.runtime.string])
                #expect(outcome.status == 1 && outcome.complaints.contains("on host"), "\(command): \(outcome)")
            }
            let inspected = try await mobyfs("volume", "inspect", "db", on: other)
            #expect(inspected.output.contains("mounted on host: ") && !inspected.output.contains("trouble"))

            try await succeed("Unmount", mount, on: one)
            try await expectToMountOnceFree(mount, on: other)
            try await expect("is mounted on host", of: "Mount", mount, on: one)
            try await succeed("Unmount", mount, on: other)
        }
    }

    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func oneOfTwoThatMountAnImageAtOnceGetsIt() async throws {
        try await withTwo { _, one, other in
            try await succeed("Create", Self.image, on: one)
            var winners = [0, 0]
            for round in 0..<12 {
                let mount = #"{"Name":"db","ID":"m\#(round)"}"#
                async let first = one.call("VolumeDriver.Mount", mount)
                async let second = other.call("VolumeDriver.Mount", mount)
                let had = try await [first, second].map { $0.contains(#""Mountpoint""#) }
                #expect(had.filter { $0 }.count == 1)
                for (host, isWinner) in zip([one, other], had) where isWinner {
                    try await succeed("Unmount", mount, on: host)
                }
                winners[had[0] ? 0 : 1] += 1
            }
            #expect(winners.reduce(0, +) == 12)
        }
    }

    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func aVolumeInUseElsewhereIsNotRemoved() async throws {
        try await withTwo { pool, one, other in
            let (name, mount) = (#"{"Name":"www"}"#, #"{"Name":"www","ID":"m"}"#)
            try await succeed("Create", name, on: one)
            for host in [one, other] { try await expect("Mountpoint", of: "Mount", mount, on: host) }
            try pool.appending("volumes/www/data/file").write("precious")
            try await succeed("Unmount", mount, on: one)
            try await expect("is in use on host", of: "Remove", name, on: one)
            #expect(try await mobyfs("volume", "prune", "--dry-run", on: one) == .success(""))
            #expect(try pool.appending("volumes/www/data/file").text == "precious")
            try await succeed("Unmount", mount, on: other)
            try await succeed("Remove", name, on: one)
        }
    }

    /// Containers go on when a daemon is stopped or killed, and so does what keeps other hosts out.
    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func aHostWithoutItsDaemonKeepsWhatItHasMounted() async throws {
        try await withTemporaryDirectory { root in
            let mount = #"{"Name":"db","ID":"m"}"#
            try await withHost("a", of: root) { one in
                try await succeed("Create", Self.image, on: one)
                try await succeed("Create", #"{"Name":"www"}"#, on: one)
                try await expect("Mountpoint", of: "Mount", mount, on: one)
                try await expect("Mountpoint", of: "Mount", #"{"Name":"www","ID":"m"}"#, on: one)
                one.send(SIGKILL)
            }
            try await withHost("b", of: root) { other in
                try await expect("is mounted on host", of: "Mount", mount, on: other)
                try await expect("is in use on host", of: "Remove", #"{"Name":"www"}"#, on: other)

                try await withHost("a", of: root) { one in
                    try await succeed("Unmount", mount, on: one)
                    try await succeed("Unmount", #"{"Name":"www","ID":"m"}"#, on: one)
                    try await expectToMountOnceFree(mount, on: other)
                    try await succeed("Unmount", mount, on: other)
                    try await succeed("Remove", #"{"Name":"www"}"#, on: other)
                }
            }
        }
    }

    /// As another host it would keep itself out until it is rebooted.
    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func aHostKnowsItselfAgainWhenItsRuntimeDirectoryIsEmptied() async throws {
        try await withTemporaryDirectory { root in
            let mount = #"{"Name":"db","ID":"m"}"#
            @Sendable func forget() async throws {
                let names = ["announced", "holders", "host-id"]
                try await HelperProgram("rm", package: "coreutils").run(
                    ["-rf"] + names.map { "\(root)/a/run/\($0)" }, until: .now + .seconds(90))
            }
            try await withHost("a", of: root) { one in
                try await succeed("Create", Self.image, on: one)
                try await expect("Mountpoint", of: "Mount", mount, on: one)
                try await forget()
                // It goes on, whatever was cleaned up below it.
                try await succeed("Create", #"{"Name":"www"}"#, on: one)
                try await expect("Mountpoint", of: "Mount", #"{"Name":"www","ID":"m"}"#, on: one)
                one.send(SIGKILL)
            }
            try await forget()
            try await withHost("a", of: root) { one in
                try await expect("Mountpoint", of: "Mount", mount, on: one)
                try await succeed("Unmount", mount, on: one)
                try await succeed("Remove", #"{"Name":"db"}"#, on: one)
                let hosts = try Directories.entries(of: root.appending("pool/hosts"))
                #expect(hosts.count == 1)
            }
        }
    }

    /// With a host die its loop devices, and the locks on their files.
    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func aDeadHostHasNothing() async throws {
        try await withTemporaryDirectory { root in
            let (pool, mount) = (root.appending("pool"), #"{"Name":"db","ID":"m"}"#)
            try await withHost("a", of: root) { one in
                try await succeed("Create", Self.image, on: one)
                try await expect("Mountpoint", of: "Mount", mount, on: one)
                one.send(SIGKILL)
            }
            let dead = try #require(try Directories.entries(of: pool.appending("hosts")).first)
            try Directories.create(pool.appending("volumes/.new-\(dead)-1"), mode: 0o711)
            try Mounts.unmount(root.appending("a/run/mounts/db"))
            let lock = try #require(try LoopDevice.attached(to: FileID(of: pool.appending("hosts/\(dead)"))))
            try lock.detach()

            try await withHost("b", of: root) { other in
                try await expect("Mountpoint", of: "Mount", mount, on: other)
                try await succeed("Unmount", mount, on: other)
                #expect(try Directories.entries(of: pool.appending("volumes")) == ["db"])
                #expect(try Directories.entries(of: pool.appending("volumes/db/hosts")).isEmpty)
                #expect(try !Directories.entries(of: pool.appending("hosts")).contains(dead))
            }
        }
    }

    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func whatALivingHostIsMakingIsLeftToIt() async throws {
        try await withTemporaryDirectory { root in
            let pool = root.appending("pool")
            try await withHost("a", of: root) { _ in
                let id = try #require(try Directories.entries(of: pool.appending("hosts")).first)
                let staging = pool.appending("volumes/.new-\(id)-1")
                try Directories.create(staging, mode: 0o711)
                try await withHost("b", of: root) { _ in #expect(Directories.isRealDirectory(staging)) }
            }
            try await withHost("b", of: root) { _ in
                let left = try Directories.entries(of: pool.appending("volumes"))
                #expect(left.isEmpty)
            }
        }
    }

    /// It has no loop devices, nor anything else by which the host would have a lock without it.
    @Test func aManagedPluginSharesNothing() async throws {
        try await withTemporaryDirectory { root in
            let outcome = try await CommandOutcome(
                of: RunningDaemon.arguments(in: root) + ["--managed", "--check", "--shared", "true"])
            #expect(outcome.status != 0 && outcome.complaints.contains("install the mobyfs package instead"))
        }
    }

    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func aHostThatOthersTookForDeadJoinsAnew() async throws {
        try await withTemporaryDirectory { root in
            let (pool, mount) = (root.appending("pool"), #"{"Name":"www","ID":"m"}"#)
            try await withHost("a", of: root) { one in
                try await succeed("Create", #"{"Name":"www"}"#, on: one)
                try await expect("Mountpoint", of: "Mount", mount, on: one)
                let id = try #require(try Directories.entries(of: pool.appending("hosts")).first)
                let lock = try #require(try LoopDevice.attached(to: FileID(of: pool.appending("hosts/\(id)"))))
                try lock.detach()
                try await eventually("it has another ID, and says again what it has") {
                    let marks = try Directories.entries(of: pool.appending("volumes/www/hosts"))
                    return marks.contains { $0 != id }
                }
                #expect(try !Directories.entries(of: pool.appending("hosts")).contains(id))
                try await withHost("b", of: root) { other in
                    try await expect("is in use on host", of: "Remove", #"{"Name":"www"}"#, on: other)
                }
                try await succeed("Unmount", mount, on: one)
            }
        }
    }

    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func whatOthersTookAwayIsSaidAgain() async throws {
        try await withTwo { pool, one, other in
            let mount = #"{"Name":"www","ID":"m"}"#
            try await succeed("Create", #"{"Name":"www"}"#, on: one)
            try await expect("Mountpoint", of: "Mount", mount, on: one)
            let folder = pool.appending("volumes/www/hosts")
            for mark in try Directories.entries(of: folder) { Directories.removeIfEmpty(folder.appending(mark)) }
            try await eventually("it is said again") { try !Directories.entries(of: folder).isEmpty }
            try await expect("is in use on host", of: "Remove", #"{"Name":"www"}"#, on: other)
            try await succeed("Unmount", mount, on: one)
        }
    }

    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func aPoolOfOneHostBecomesOneOfSeveral() async throws {
        try await withTemporaryDirectory { root in
            let (pool, folder) = (root.appending("pool"), root.appending("a"))
            try Directories.create(folder, mode: 0o755)
            let mount = #"{"Name":"db","ID":"m"}"#
            try await withDaemon(in: folder, arguments: ["--data-dir", pool.string]) { alone in
                try await succeed("Create", Self.image, on: alone)
                try await succeed("Create", #"{"Name":"www"}"#, on: alone)
                try await expect("Mountpoint", of: "Mount", mount, on: alone)
            }
            try await withHost("a", of: root) { one in
                try await withHost("b", of: root) { other in
                    try await expect("is mounted on host", of: "Mount", mount, on: other)
                    try await expect("is in use on host", of: "Remove", #"{"Name":"db"}"#, on: other)
                    try await expect("Mountpoint", of: "Mount", #"{"Name":"www","ID":"m"}"#, on: other)
                    try await succeed("Unmount", #"{"Name":"www","ID":"m"}"#, on: other)
                    try await succeed("Unmount", mount, on: one)
                    // What a removal or a rename that was cut off leaves.
                    let hosts = pool.appending("volumes/db/hosts")
                    for mark in try Directories.entries(of: hosts) { Directories.removeIfEmpty(hosts.appending(mark)) }
                    Directories.removeIfEmpty(hosts)
                    try await expect("Mountpoint", of: "Mount", mount, on: other)
                    try await succeed("Unmount", mount, on: other)
                }
            }
        }
    }

    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func aDamagedRecordStaysWhereOthersMayUseIt() async throws {
        try await withTemporaryDirectory { root in
            let record = root.appending("pool/volumes/www/record.json")
            let mount = #"{"Name":"www","ID":"m"}"#
            try await withHost("a", of: root) { one in
                try await succeed("Create", #"{"Name":"www"}"#, on: one)
                try await expect("Mountpoint", of: "Mount", mount, on: one)
                let text = try record.text
                try record.write("{")
                try await withHost("b", of: root) { other in
                    try await expect("does not parse", of: "Mount", mount, on: other)
                    #expect(record.exists)
                    try record.write(text)
                    try await expect("Mountpoint", of: "Mount", mount, on: other)
                    try await succeed("Unmount", mount, on: other)
                }
                try await succeed("Unmount", mount, on: one)
            }
        }
    }

    /// As a host finds it that was cut off while another removed what it had mounted.
    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func aVolumeThatIsGoneIsNotMadeAgainByWhoHadIt() async throws {
        try await withTwo { pool, one, other in
            let mount = #"{"Name":"www","ID":"m"}"#
            try await succeed("Create", #"{"Name":"www"}"#, on: one)
            try await expect("Mountpoint", of: "Mount", mount, on: one)
            let folder = pool.appending("volumes/www/hosts")
            for mark in try Directories.entries(of: folder) { Directories.removeIfEmpty(folder.appending(mark)) }
            try await succeed("Remove", #"{"Name":"www"}"#, on: other)
            try await eventually("it is said") {
                try await one.call("VolumeDriver.Get", #"{"Name":"www"}"#).contains("its folder is gone")
            }
            try await succeed("Unmount", mount, on: one)
            #expect(try Directories.entries(of: pool.appending("volumes")).isEmpty)
            try await succeed("Create", #"{"Name":"www"}"#, on: one)
        }
    }

    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func whatComesBackIsListedAtOnce() async throws {
        try await withTwo { _, one, other in
            try await succeed("Create", #"{"Name":"db","Opts":{"on-remove":"trash"}}"#, on: one)
            try await expect(#""Name":"db""#, of: "List", "{}", on: other)
            try await succeed("Remove", #"{"Name":"db"}"#, on: other)
            #expect(try await mobyfs("trash", "restore", "db", on: one).status == 0)
            try await expect(#""Name":"db""#, of: "List", "{}", on: other)
            #expect(try await mobyfs("volume", "rename", "db", "x", on: other).status == 0)
            #expect(try await mobyfs("volume", "rename", "x", "db", on: one).status == 0)
            try await expect(#""Name":"db""#, of: "List", "{}", on: other)
        }
    }

    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func noHostMountsWhatAnotherExports() async throws {
        try await withTwo { _, one, other in
            let mount = #"{"Name":"www","ID":"m"}"#
            try await succeed("Create", #"{"Name":"www"}"#, on: one)
            func control(_ call: String, _ request: String) async throws -> String {
                try await Wire(one.runtime.appending("control.sock")).exchange(Wire.post("/Control.\(call)", request))
            }
            // As 'mobyfs volume export' does.
            let held = try await control("HoldVolume", #"{"Name":"www","Shared":false}"#)
            let id = try #require(held.split(separator: "\"").first { $0.hasPrefix(Holder.ownPrefix) })
            try await expect("is being exported on host", of: "Mount", mount, on: other)
            try await expect("is being exported by process", of: "Mount", mount, on: one)
            _ = try await control("ReleaseVolume", #"{"Name":"www","Id":"\#(id)"}"#)
            try await expect("Mountpoint", of: "Mount", mount, on: other)
            try await succeed("Unmount", mount, on: other)
        }
    }

    /// Everything at once, and afterwards both say the same.
    @Test(.enabled(if: canShare, "needs root and loop devices"))
    func hostsThatDoEverythingAtOnceAgree() async throws {
        try await withTwo { pool, one, other in
            try await withThrowingTaskGroup { group in
                for (index, host) in [one, other].enumerated() {
                    for name in ["x", "y", "z"] {
                        group.addTask {
                            for round in 0..<15 {
                                let mount = #"{"Name":"\#(name)","ID":"\#(index)-\#(round)"}"#
                                _ = try await host.call("VolumeDriver.Create", #"{"Name":"\#(name)"}"#)
                                let answer = try await host.call("VolumeDriver.Mount", mount)
                                if answer.contains("Mountpoint") {
                                    // Nobody has removed it meanwhile.
                                    let folder = pool.appending("volumes/\(name)/data")
                                    #expect(Directories.isRealDirectory(folder))
                                    try await succeed("Unmount", mount, on: host)
                                } else {
                                    #expect(answer.contains("no such volume"))
                                }
                                let removed = try await host.call("VolumeDriver.Remove", #"{"Name":"\#(name)"}"#)
                                #expect(removed == "{}" || removed.contains("is in use"))
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let volumes = try Directories.entries(of: pool.appending("volumes")).sorted()
            for host in [one, other] {
                let list = try await host.call("VolumeDriver.List", "{}")
                #expect(["x", "y", "z"].filter { list.contains(#""Name":"\#($0)""#) } == volumes)
            }
        }
    }
}
