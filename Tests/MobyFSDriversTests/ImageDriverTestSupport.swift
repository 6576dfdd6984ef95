// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// What the tests of image volumes need of the machine.
enum ImageTests {
    static let canRun = Machine.isRoot && LoopDevice.obstacle == nil && ImageDriver().lacks(pool: "/").isEmpty
    static let requirement: Comment =
        "image volumes need root, loop devices, and ext4, xfs and btrfs with their programs"

    /// A size that is quickly made and has room for some data.
    static let sizes = ["ext4": "32MiB", "xfs": "300MiB", "btrfs": "160MiB"]
}

/// The kind of file system that a test's pool is on.
enum PoolKind: String, CaseIterable, Sendable {
    case machine, tmpfs, overlay, ext4, xfs, btrfs
}

/// Runs `body` with a manager of image volumes, and unmounts all of them afterwards, pass or fail.
///
/// - Parameters:
///   - kind: What the pool is on.
///   - poolBytes: How large the pool's file system is, where it has one of its own.
///   - body: What to run.
/// - Throws: What `body` throws.
func withImageVolumes(
    on kind: PoolKind = .machine, poolBytes: UInt64 = 1 << 30, _ body: (ManagerFixture) async throws -> Void
) async throws {
    try await withTemporaryDirectory { root in
        do {
            try await makePool(kind, bytes: poolBytes, in: root)
            try await body(await ManagerFixture(root: root, drivers: [ImageDriver()]))
        } catch {
            try unmountAll(below: root)
            throw error
        }
        try unmountAll(below: root)
    }
}

private func makePool(_ kind: PoolKind, bytes: UInt64, in root: FilePath) async throws {
    let pool = root.appending("pool")
    try Directories.create(pool, mode: 0o755)
    switch kind {
    case .machine: break
    case .tmpfs: try Mounts.mount(type: "tmpfs", source: "pool", at: pool, options: [("size", "\(bytes)")])
    case .overlay:
        let folders = ["lower", "upper", "work"].map { root.appending($0) }
        for folder in folders { try Directories.create(folder, mode: 0o755) }
        try Mounts.mount(
            type: "overlay", source: "pool", at: pool,
            options: [
                ("lowerdir", folders[0].string), ("upperdir", folders[1].string), ("workdir", folders[2].string),
            ])
    case .ext4, .xfs, .btrfs:
        let disk = root.appending("disk")
        try SparseFile(disk).create(bytes: bytes, isAllocated: false, until: .now + .seconds(60))
        try await tool("mkfs.\(kind)", "-q", disk.string)
        try LoopDevice.withAttached(disk) { device in
            try Mounts.mount(type: kind.rawValue, source: device.path.string, at: pool)
        }
    }
}

private func unmountAll(below root: FilePath) throws {
    for entry in try MountTable().entries.reversed() where entry.mountpoint.starts(with: root) {
        try Mounts.unmount(entry.mountpoint, detaching: true)
    }
    let mountpoints = root.appending("run/mounts")
    guard mountpoints.exists else { return }
    // They are immutable.
    for name in try Directories.entries(of: mountpoints) { try Mountpoint(mountpoints.appending(name)).remove() }
}

/// Runs a program of the host.
@discardableResult
func tool(_ program: String, _ arguments: String...) async throws -> String {
    try await HelperProgram(program, package: "for this test").run(arguments, until: .now + .seconds(90))
}

extension ManagerFixture {
    /// A volume's image.
    func image(_ name: String) -> SparseFile {
        SparseFile(pool.appending("volumes/\(name)/image"))
    }

    /// Where the file system of a volume is mounted.
    func mountpoint(_ name: String) -> FilePath { runtime.appending("mounts/\(name)") }

    /// The device that a volume's image is attached to.
    func device(_ name: String) throws -> LoopDevice? {
        try LoopDevice.attached(to: FileID(of: image(name).path))
    }

    /// Creates a volume with one of the file systems, and mounts it.
    func mounted(_ name: String, fs: String, with options: [String: String] = [:]) async throws -> FilePath {
        let given = ["fs": fs, "size": ImageTests.sizes[fs] ?? ""].merging(options) { $1 }
        try await volumes.create(name, options: given)
        return try await volumes.mount(name, id: "c", for: nil)
    }
}

/// Files with content that can be told from any other.
enum TestData {
    /// Writes `count` files of a megabyte each.
    static func write(_ count: Int, to folder: FilePath) throws {
        for index in 0..<count {
            try DurableFile.write(bytes(index), to: folder.appending("file\(index)"), isDurable: false)
        }
        try Directories.syncFileSystem(of: folder)
    }

    /// Whether all of them are there, whole.
    static func isWhole(_ count: Int, in folder: FilePath) throws -> Bool {
        try (0..<count).allSatisfy { index in
            try DurableFile.read(folder.appending("file\(index)"), limit: 4 << 20) == bytes(index)
        }
    }

    private static func bytes(_ index: Int) -> [UInt8] {
        // No two words alike, so that a block in a wrong place is noticed.
        (0..<131072).map { UInt64(index << 32 | $0) }.withUnsafeBytes { Array($0) }
    }

    /// Writes until nothing more fits.
    ///
    /// - Returns: How many bytes did, and the error.
    static func fill(_ path: FilePath) throws -> (bytes: UInt64, reason: Errno) {
        let file = try FileDescriptor.open(path, .writeOnly, options: [.create], permissions: .ownerReadWrite)
        return try file.closeAfter {
            let chunk = [UInt8](repeating: 0x61, count: 1 << 20)
            var written: UInt64 = 0
            while true {
                do {
                    written += UInt64(try chunk.withUnsafeBytes { try file.write($0) })
                    if written % (16 << 20) == 0, fsync(file.rawValue) != 0 { throw Errno(rawValue: errno) }
                } catch let error as Errno {
                    return (written, error)
                }
            }
        }
    }
}
