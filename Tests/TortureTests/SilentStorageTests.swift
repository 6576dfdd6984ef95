// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing
import TortureSupport

/// The pool's server hangs, or is gone: who only reads gets answers, all others are told in time.
@Suite(
    .timeLimit(.minutes(10)), .enabled(if: SilentServer.Kind.sshfs.isAvailable, "needs root, sshfs and its SFTP server")
)
struct SilentStorageTests {
    private static let unshared = ["--shared", "false"]

    private func withServer(
        _ kind: SilentServer.Kind = .sshfs,
        _ body: @escaping @Sendable (SilentServer, FilePath) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { root in
            try await SilentServer.with(at: root.appending("data"), kind) { try await body($0, root) }
        }
    }

    /// A server that is slow, or fails over, is waited for.
    @Test func callsRideOutAServerThatHangsForAMoment() async throws {
        try await withServer { server, root in
            try await withDaemon(in: root, arguments: Self.unshared) { daemon in
                try await StorageTrial.run("pool hangs for a moment", with: daemon, images: false) { trial in
                    try await server.hang()
                    try await withThrowingDiscardingTaskGroup { group in
                        for number in 0..<8 {
                            group.addTask {
                                await trial.expect("VolumeDriver.Mount", #"{"Name":"data","ID":"m\#(number)"}"#)
                            }
                        }
                        try await server.whileHung {
                            await trial.answersReads()
                            await trial.letsGo()
                        }
                    }
                    for number in 0..<8 {
                        await trial.expect("VolumeDriver.Unmount", #"{"Name":"data","ID":"m\#(number)"}"#)
                    }
                    try await trial.isWhole()
                }
            }
        }
    }

    @Test(.enabled(if: Torture.isFull, "takes a minute: 'make torture' has it"))
    func aServerThatHangsForLong() async throws {
        try await withServer { server, root in
            try await withDaemon(in: root, arguments: Self.unshared) { daemon in
                try await StorageTrial.run("pool hangs for long", with: daemon, images: false) { trial in
                    try await server.hang()
                    try await server.whileHung {
                        await trial.answersReads()
                        await trial.refusesWriting("does not answer")
                        await trial.answersReads()
                        await trial.refusesReading("does not answer")
                        // By now nobody waits for it any more.
                        await trial.expect(
                            "VolumeDriver.Create", #"{"Name":"new"}"#, refusedFor: ["does not answer"],
                            within: .seconds(5))
                        await trial.letsGo()
                    }
                    try await trial.isWhole()
                }
            }
        }
    }

    @Test func aServerThatDies() async throws {
        try await withServer { server, root in
            try await withDaemon(in: root, arguments: Self.unshared) { daemon in
                try await StorageTrial.run("pool's server dies", with: daemon, images: false) { trial in
                    try await server.die()
                    let causes = ["not connected", "input/output error"]
                    await trial.answersReads()
                    await trial.refusesWriting(causes[0], causes[1])
                    await trial.refusesReading(causes[0], causes[1])
                    await trial.letsGo()
                    try await server.shell("umount -l $POOL")
                    try await server.mount()
                    try await trial.isWhole()
                }
            }
        }
    }

    /// What hangs is unmounted by force, and the pool mounted anew from another server.
    @Test func aServerThatIsReplacedWhileItHangs() async throws {
        try await withServer { server, root in
            try await withDaemon(in: root, arguments: Self.unshared) { daemon in
                try await StorageTrial.run("pool remounted while it hangs", with: daemon, images: false) { trial in
                    try await server.hang()
                    async let mounted = trial.expect(
                        "VolumeDriver.Mount", #"{"Name":"data","ID":"m"}"#, refusedFor: ["", "does not answer"])
                    try await server.whileHung {
                        await trial.answersReads()
                        try await server.shell("umount -l $POOL")
                        try await server.mount()
                        try await eventually("the pool is seen") {
                            let reply = await trial.expect(
                                "Control.ListTrash", "{}", refusedFor: ["", "does not answer"])
                            return reply?["Items"] != nil
                        }
                    }
                    _ = await mounted
                    await trial.expect("VolumeDriver.Unmount", #"{"Name":"data","ID":"m"}"#)
                    await trial.letsGo()
                    try await trial.isWhole()
                }
            }
        }
    }

    /// The data of one volume is on a server that hangs, and then dies; all others are served as ever.
    @Test func aVolumeWhoseServerHangsAndDies() async throws {
        try await withTemporaryDirectory { root in
            try await SilentServer.with(at: root.appending("share")) { server in
                try await server.shell("mkdir $FILES/away")
                try await withDaemon(in: root) { daemon in
                    try await StorageTrial.run("a volume's server hangs, and dies", with: daemon, images: false) {
                        let (mount, unmount) = ("VolumeDriver.Mount", "VolumeDriver.Unmount")
                        await $0.create("away", options: #"{"mountpoint":"\#(server.path)/away"}"#)
                        await $0.expect(mount, #"{"Name":"away","ID":"1"}"#)
                        try await server.hang()
                        let trial = $0
                        async let second = trial.expect(mount, #"{"Name":"away","ID":"2"}"#)
                        try await server.whileHung {
                            await trial.answersReads()
                            try await trial.isWhole()
                            if Torture.isFull {
                                await trial.expect(
                                    mount, #"{"Name":"away","ID":"3"}"#, refusedFor: ["it is being mounted, for"])
                            }
                        }
                        _ = await second

                        try await server.die()
                        await trial.answersReads()
                        await trial.expect(
                            mount, #"{"Name":"away","ID":"4"}"#, refusedFor: ["not connected", "input/output error"])
                        for id in ["1", "2"] { await trial.expect(unmount, #"{"Name":"away","ID":"\#(id)"}"#) }
                        try await server.shell("umount -l $POOL")
                        try await server.mount()
                        await trial.expect(mount, #"{"Name":"away","ID":"5"}"#)
                        await trial.expect(unmount, #"{"Name":"away","ID":"5"}"#)
                        await trial.expect("VolumeDriver.Remove", #"{"Name":"away"}"#)
                    }
                }
            }
        }
    }

    @Test func aDaemonThatIsStartedMeanwhileServes() async throws {
        try await withServer { server, root in
            try await withDaemon(in: root, arguments: Self.unshared) { daemon in
                let created = try await daemon.call("VolumeDriver.Create", #"{"Name":"db"}"#)
                #expect(created == "{}")
            }
            // What it has seen of late, the kernel answers itself.
            try await server.shell("echo 3 > /proc/sys/vm/drop_caches; sleep 2")
            try await server.hang()
            let begin = ContinuousClock.now
            try await withDaemon(in: root, arguments: Self.unshared, patience: .seconds(40)) { daemon in
                #expect(ContinuousClock.now - begin < .seconds(30))
                try await server.whileHung {
                    let list = try await daemon.call("VolumeDriver.List", "{}")
                    #expect(list.contains("does not answer"))
                    // Nothing is said of a volume that may be there: the engine is hung up on.
                    let got = try await daemon.call("VolumeDriver.Get", #"{"Name":"db"}"#)
                    #expect(got.isEmpty)
                }
                try await eventually(within: .seconds(30), "the pool is loaded") {
                    try await daemon.call("VolumeDriver.Get", #"{"Name":"db"}"#).contains("Mountpoint")
                }
                let mounted = try await daemon.call("VolumeDriver.Mount", #"{"Name":"db","ID":"m"}"#)
                #expect(mounted.contains("Mountpoint"))
            }
        }
    }

    /// Several hosts have it, and each look at a volume asks its server.
    @Test(
        .enabled(
            if: SilentServer.Kind.glusterfs.isAvailable && LoopDevice.obstacle == nil, "needs glusterfs, loop devices"))
    func aSharedPoolThatHangs() async throws {
        try await withServer(.glusterfs) { server, root in
            try await withDaemon(in: root) { daemon in
                try await StorageTrial.run("shared pool hangs", with: daemon, images: false) { trial in
                    try await server.hang()
                    try await server.whileHung {
                        // The first who asks finds out.
                        try await eventually("it is known to be sick") {
                            let found = await trial.expect("Control.InspectVolume", #"{"Name":"data"}"#)
                            guard let trouble = found?["Trouble"]?.string else { return false }
                            #expect(trouble.contains("does not answer"))
                            return true
                        }
                        await trial.answersReads()
                        await trial.expect(
                            "VolumeDriver.Get", #"{"Name":"none"}"#, refusedFor: [""], within: .seconds(2))
                        let diagnosis = await trial.expect("Control.Diagnose", "{}", within: .seconds(20))
                        #expect("\(diagnosis, default: "none")".contains("does not answer"))
                        await trial.letsGo()
                        if Torture.isFull { await trial.refusesWriting("does not answer") }
                    }
                    try await eventually("it is well again") {
                        let reply = await trial.expect("Control.ListTrash", "{}", refusedFor: ["", "does not answer"])
                        return reply?["Items"] != nil
                    }
                    try await trial.isWhole()
                }
            }
        }
    }

    /// A loop device whose file is on a server that hangs is in no other's way.
    @Test(.enabled(if: LoopDevice.obstacle == nil, "needs loop devices"))
    func aLoopDeviceThatHangsIsInNobodysWay() async throws {
        try await withTemporaryDirectory { root in
            try await SilentServer.with(at: root.appending("share")) { server in
                try await server.shell("truncate -s 16M $FILES/disk; losetup -f $POOL/disk")
                try await withDaemon(in: root) { daemon in
                    // It is asked anew for what it has said a second ago.
                    try await server.shell("sleep 1.5")
                    try await server.hang()
                    try await server.whileHung {
                        let begin = ContinuousClock.now
                        let create = #"{"Name":"db","Opts":{"driver":"image","size":"16MiB"}}"#
                        let created = try await daemon.call("VolumeDriver.Create", create)
                        let mounted = try await daemon.call("VolumeDriver.Mount", #"{"Name":"db","ID":"m"}"#)
                        let unmounted = try await daemon.call("VolumeDriver.Unmount", #"{"Name":"db","ID":"m"}"#)
                        let removed = try await daemon.call("VolumeDriver.Remove", #"{"Name":"db"}"#)
                        #expect(created == "{}" && mounted.contains("Mountpoint"))
                        #expect(unmounted == "{}" && removed == "{}")
                        #expect(ContinuousClock.now - begin < .seconds(20))
                    }
                }
                try await server.shell("losetup -d $(losetup -n -O NAME -j $POOL/disk)")
            }
        }
    }
}
