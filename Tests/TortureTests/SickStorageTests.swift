// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// The pool's own disk is full, broken, read-only or not there: the daemon says so, forgets nothing, and goes on when the
/// disk does.
@Suite(
    .timeLimit(.minutes(10)),
    .enabled(if: SickDisk.isAvailable, "needs root, loop devices, mkfs.ext4, mkfs.xfs and mkfs.btrfs"))
struct SickStorageTests {
    @Test(arguments: ["ext4", "xfs", "btrfs"])
    func aFullDisk(type: String) async throws {
        try await SickDisk.with(type) { disk, daemon in
            try await StorageTrial.run("disk full: \(type)", with: daemon) { trial in
                try await disk.fill()
                await trial.answersReads()
                await trial.refusesWriting("no space left", "the pool is full", exceptRemoving: true)
                await trial.answersReads()
                await trial.letsGo()
                try await disk.shell("rm -f $POOL/filler*; sync -f $POOL")
                try await trial.isWhole()
                try await disk.fill()
                try await trial.removesAll()
            }
        }
    }

    @Test func noInodesLeft() async throws {
        try await SickDisk.with("ext4", making: "-N 160") { disk, daemon in
            try await StorageTrial.run("no inodes left", with: daemon) { trial in
                try await disk.useAllInodes()
                await trial.answersReads()
                await trial.refusesWriting("no space left", "the pool is full", exceptRemoving: true)
                await trial.letsGo()
                try await disk.shell("rm -r $POOL/filler")
                try await trial.isWhole()
                try await disk.useAllInodes()
                try await trial.removesAll()
            }
        }
    }

    @Test func aFullQuota() async throws {
        try await SickDisk.with("btrfs") { disk, daemon in
            try await StorageTrial.run("quota full", with: daemon, images: false) { trial in
                try await disk.shell(
                    """
                    # Where the limit does not apply, so that it can be changed.
                    btrfs subvolume create $POOL/other
                    btrfs quota enable $POOL; btrfs quota rescan -w $POOL
                    btrfs qgroup limit 2M 0/5 $POOL/other
                    dd if=/dev/urandom of=$POOL/filler bs=64k count=100 status=none 2>&-
                    sync -f $POOL
                    """)
                await trial.answersReads()
                await trial.refusesWriting("disk quota exceeded", "the pool is full", exceptRemoving: true)
                await trial.letsGo()
                try await disk.shell("btrfs qgroup limit none 0/5 $POOL/other")
                try await trial.isWhole()
            }
        }
    }

    /// As ext4 does it by itself after an error.
    @Test func aDiskThatTurnsReadOnly() async throws {
        try await SickDisk.with("ext4", mounting: "-o errors=remount-ro") { disk, daemon in
            try await StorageTrial.run("disk turns read-only", with: daemon) { trial in
                try await disk.shell(
                    """
                    sync -f $POOL
                    device=$(findmnt -n -o SOURCE --target $POOL)
                    echo sick > /sys/fs/ext4/${device#/dev/}/trigger_fs_error
                    """)
                await trial.answersReads()
                await trial.refusesWriting("read-only file system")
                await trial.answersReads()
                await trial.letsGo()
                try await disk.repair()
                try await trial.isWhole()
            }
        }
    }

    @Test func aDiskThatFails() async throws {
        try await SickDisk.with("xfs") { disk, daemon in
            try await StorageTrial.run("disk fails (EIO)", with: daemon) { trial in
                try await disk.shell("sync -f $POOL; xfs_io -x -c shutdown $POOL")
                await trial.answersReads()
                await trial.refusesWriting("input/output error")
                await trial.refusesReading("input/output error")
                await trial.answersReads()
                await trial.letsGo()
                try await disk.repair()
                try await trial.isWhole()
            }
        }
    }

    @Test func aDiskThatIsUnmountedBelowTheDaemon() async throws {
        try await SickDisk.with("ext4") { disk, daemon in
            try await StorageTrial.run("pool unmounted", with: daemon) { trial in
                for before in ["", "mkdir -p $POOL/volumes/image/data $POOL/volumes/stray/data"] {
                    // What is below it was left by somebody who forgot to mount it.
                    try await disk.shell("umount -l $POOL; \(before)")
                    await trial.answersReads()
                    await trial.refusesWriting("is not mounted there any more")
                    await trial.refusesReading("is not mounted there any more")
                    await trial.letsGo()
                    let list = await trial.expect("Control.ListVolumes", "{}")
                    #expect("\(list, default: "none")".contains("is not mounted there any more"))
                    let bare = try Directories.entries(of: daemon.data)
                    #expect(bare == (before.isEmpty ? [] : ["volumes"]))
                    try await disk.mount()
                    try await trial.isWhole()
                }
            }
        }
    }

    /// Another disk, which may be meant.
    @Test func aDiskThatIsExchangedForAnEmptyOne() async throws {
        try await SickDisk.with("ext4") { disk, daemon in
            try await StorageTrial.run("pool exchanged", with: daemon) { trial in
                try await disk.shell("mount -t tmpfs x $POOL")
                await trial.answersReads()
                await trial.refusesWriting("mount the file system that belongs there")
                try await disk.shell("umount -l $POOL")
                try await trial.isWhole()
            }
        }
    }

    /// Without systemd, which would have waited for it.
    @Test func aDiskThatIsMountedAfterTheStart() async throws {
        try await withTemporaryDirectory { root in
            let disk = try await SickDisk.make("ext4", in: root)
            try await disk.during {
                let name = #"{"Name":"early"}"#
                let held = #"{"Name":"early","ID":"h"}"#
                try await withDaemon(in: root) { daemon in
                    let created = try await daemon.call("VolumeDriver.Create", name)
                    let mounted = try await daemon.call("VolumeDriver.Mount", held)
                    #expect(created == "{}" && mounted.contains("Mountpoint"))
                }
                try await disk.shell("umount $POOL")
                try await withDaemon(in: root) { daemon in
                    let absent = try await daemon.call("VolumeDriver.Get", name)
                    // Somebody holds it: no engine is to forget it.
                    #expect(absent.contains("mount the file system"))
                    try await disk.mount()
                    let there = try await daemon.call("VolumeDriver.Get", name)
                    let list = try await daemon.call("VolumeDriver.List", "{}")
                    // Who held it before the restart does so still.
                    #expect(there.contains(#""mounts":1"#) && list.contains("early"))
                    let unmounted = try await daemon.call("VolumeDriver.Unmount", held)
                    let removed = try await daemon.call("VolumeDriver.Remove", name)
                    #expect(unmounted == "{}" && removed == "{}")
                }
            }
        }
    }

    /// The file of a volume vanishes below the file system that is mounted from it.
    @Test func aLoopFileThatIsPulled() async throws {
        try await SickDisk.with("ext4") { disk, daemon in
            try await StorageTrial.run("loop file pulled", with: daemon) { trial in
                try await disk.shell("cd $POOL/volumes; mv heldimage/image image-held; mv image/image image-free")
                await trial.answersReads()
                await trial.expect(
                    "VolumeDriver.Mount", #"{"Name":"image","ID":"x"}"#, refusedFor: ["is gone; restore it"])
                await trial.expect(
                    "Control.CreateSnapshot", #"{"Name":"image","Snapshot":"x"}"#, refusedFor: ["no such file"])
                await trial.letsGo()
                try await disk.shell("cd $POOL/volumes; mv image-held heldimage/image; mv image-free image/image")
                try await trial.isWhole()
            }
        }
    }
}
