// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// A disk with a file system, which can be copied at any moment: a copy has what a power cut would leave.
///
/// It is a file on a file system that shares blocks. A copy is made in one step, and has each write that the disk has
/// completed, and none that only the page cache of the file system on it has.
struct PowerCutDisk: Sendable {
    enum FileSystem: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case ext4, xfs, btrfs

        var testDescription: String { rawValue }

        private var arguments: [String] { self == .ext4 ? ["-q", "-F"] : ["-q", "-f"] }

        fileprivate func make(on file: FilePath) async throws {
            try await HelperProgram("mkfs.\(self)", package: "xfsprogs, e2fsprogs or btrfs-progs").run(
                arguments + [file.string], until: .now + .seconds(100))
        }

        /// Whether it can be made and mounted here.
        fileprivate var isAvailable: Bool {
            HelperProgram("mkfs.\(self)", package: "").locate() != nil && Mounts.knows(type: rawValue)
        }
    }

    /// Whether a test can have such disks.
    static let isAvailable =
        Machine.isRoot && LoopDevice.obstacle == nil && FileSystem.allCases.allSatisfy(\.isAvailable)

    let type: FileSystem
    private let shelf: FilePath

    private var file: SparseFile { SparseFile(shelf.appending("disk")) }

    /// Runs `body` with a new disk, which is not mounted; it and its copies are gone afterwards.
    static func with<Result>(
        _ type: FileSystem, isolation: isolated (any Actor)? = #isolation, _ body: (PowerCutDisk) async throws -> Result
    ) async throws -> Result {
        try await withTemporaryDirectory { root in
            let (memory, shelf) = (root.appending("memory"), root.appending("shelf"))
            try Directories.create(memory, mode: 0o755)
            // In memory, for what counts is what the disk was told to keep, and not how long that takes.
            try Mounts.mount(type: "tmpfs", source: "none", at: memory)
            defer { unmountAll(in: memory) }
            let image = SparseFile(memory.appending("image"))
            try image.create(bytes: 64 << 30, isAllocated: false, until: .now + .seconds(90))
            try await FileSystem.xfs.make(on: image.path)
            try await mount(.xfs, image.path, at: shelf)
            defer { unmountAll(in: shelf) }
            let disk = PowerCutDisk(type: type, shelf: shelf)
            try disk.file.create(bytes: 4 << 30, isAllocated: false, until: .now + .seconds(90))
            try await type.make(on: disk.file.path)
            return try await body(disk)
        }
    }

    private static func mount(_ type: FileSystem, _ file: FilePath, at path: FilePath) async throws {
        try Directories.create(path, mode: 0o755)
        // xfs minds copies.
        let options = type == .xfs ? "loop,nouuid" : "loop"
        try await HelperProgram("mount", package: "mount").run(
            ["-t", type.rawValue, "-o", options, file.string, path.string], until: .now + .seconds(100))
    }

    /// Unmounts what is mounted in a folder, however deep.
    private static func unmountAll(in folder: FilePath) {
        let places = (try? MountTable().entries)?.map(\.mountpoint).filter { $0.starts(with: folder) } ?? []
        // Detached, for the end of a test is no place to wait.
        for place in places.reversed() { try? Mounts.unmount(place, detaching: true) }
    }

    /// Copies the disk as it is at this moment.
    ///
    /// Blocks.
    func copy(_ number: Int) throws -> Copy {
        let copy = Copy(type: type, file: shelf.appending("copy-\(number)"))
        guard try SparseFile(copy.file).share(file) else {
            throw SystemCallError("share '\(file.path)'", .notSupported)
        }
        return copy
    }

    /// The disk itself.
    var original: Copy { Copy(type: type, file: file.path) }

    /// A file with all that a disk has.
    struct Copy: Sendable {
        fileprivate let type: FileSystem
        fileprivate let file: FilePath

        /// Runs `body` with the folder of a daemon whose data is on this disk.
        func mounted<Result>(
            isolation: isolated (any Actor)? = #isolation, _ body: (FilePath) async throws -> Result
        ) async throws -> Result {
            try await withTemporaryDirectory { root in
                try await PowerCutDisk.mount(type, file, at: root.appending("data"))
                defer { PowerCutDisk.unmountAll(in: root) }
                return try await body(root)
            }
        }

        /// Deletes it.
        func discard() throws { try Files.unlink(file) }
    }
}
