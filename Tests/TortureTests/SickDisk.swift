// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage

/// A disk of a daemon's own, mounted at its data folder, that can be made sick and be mended.
struct SickDisk: Sendable {
    static let isAvailable =
        geteuid() == 0 && LoopDevice.obstacle == nil
        && ["mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "xfs_io"].allSatisfy {
            HelperProgram($0, package: $0).locate() != nil
        }

    private let root: FilePath
    private let type: String
    private let options: String

    /// Makes one and mounts it.
    static func make(
        _ type: String, making: String = "", mounting options: String = "", in root: FilePath
    ) async throws -> SickDisk {
        let disk = SickDisk(root: root, type: type, options: options)
        try Directories.create(root.appending("data"), mode: 0o711)
        let force = type == "ext4" ? "-F" : ""
        try await disk.shell(
            """
            truncate -s 320M $ROOT/disk
            # mkfs.btrfs asks all loop devices, also those of other tests' broken disks.
            i=0
            until mkfs.\(type) -q \(force) \(making) $ROOT/disk; do i=$((i+1)); test $i -lt 10 || exit 1; sleep 1; done
            """)
        try await disk.mount()
        return disk
    }

    /// Runs `body` with a daemon whose data folder is a disk of its own.
    static func with(
        _ type: String, making: String = "", mounting options: String = "",
        _ body: @escaping @Sendable (SickDisk, RunningDaemon) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { root in
            let disk = try await make(type, making: making, mounting: options, in: root)
            try await disk.during { try await withDaemon(in: root) { daemon in try await body(disk, daemon) } }
        }
    }

    /// Runs `body`, and unmounts the disk afterwards, pass or fail.
    func during(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch {
            try await unmountAll()
            throw error
        }
        try await unmountAll()
    }

    private func unmountAll() async throws {
        try await shell(
            """
            for path in $(findmnt -rn -o TARGET | grep "^$ROOT/" | sort -r); do umount -l "$path"; done
            """)
    }

    /// Runs a script that knows `$POOL`.
    func shell(_ script: String) async throws {
        let variables = "ROOT=\(root); POOL=\(root)/data; "
        try await HelperProgram("sh", package: "dash").run(["-uc", variables + script], until: .now + .seconds(60))
    }

    func mount() async throws {
        try await shell("mount -t \(type) -o loop \(options) $ROOT/disk $POOL")
    }

    /// Mounts it anew, as soon as the daemon has let go of it.
    func repair() async throws {
        try await shell(
            """
            umount $ROOT/run/mounts/* 2>&-
            i=0
            until umount $POOL; do i=$((i+1)); test $i -lt 300 || exit 1; sleep 0.1; done
            \(type == "ext4" ? "e2fsck -p $ROOT/disk >&2; test $? -lt 4 || exit 1" : "")
            mount -t \(type) -o loop \(options) $ROOT/disk $POOL
            """)
    }

    /// Leaves no room for another file.
    func useAllInodes() async throws {
        try await shell("mkdir $POOL/filler; i=0; while true > $POOL/filler/$i; do i=$((i+1)); done 2>&-; :")
    }

    /// Leaves no room at all.
    func fill() async throws {
        try await shell(
            """
            for size in 1M 4k 512; do
                for round in 1 2; do
                    dd if=/dev/zero of=$POOL/filler$size$round bs=$size status=none 2>&-
                    sync -f $POOL 2>&-
                done
            done
            :
            """)
    }
}
