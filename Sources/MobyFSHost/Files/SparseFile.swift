// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// A file of a given size that need not have all its blocks: an image of a disk.
///
/// All calls block.
package struct SparseFile: Hashable, Sendable {
    package let path: FilePath

    package init(_ path: FilePath) {
        self.path = path
    }

    /// Whether there is anything of that name, or may be: a disk that does not tell says so when it is used.
    package var isThere: Bool {
        var status = stat()
        return lstat(path.string, &status) == 0 || ![ENOENT, ENOTDIR].contains(errno)
    }

    /// Its size, holes included.
    package var bytes: UInt64 {
        get throws { UInt64(try status().st_size) }
    }

    /// How much of it takes up space.
    package var allocatedBytes: UInt64 {
        get throws { UInt64(try status().st_blocks) * 512 }
    }

    private func status() throws -> stat {
        var status = stat()
        try check(lstat(path.string, &status), "stat '\(path)'")
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw SystemCallError("'\(path)' is no file", .invalidArgument)
        }
        return status
    }

    /// Makes the file, all of it a hole or all of it with blocks.
    ///
    /// - Parameters:
    ///   - bytes: Its size.
    ///   - isAllocated: Whether it is to have all its blocks, so that no write to it can lack space later.
    ///   - deadline: When to give up, where blocks are only to be had by writing them.
    /// - Throws: ``SystemCallError``; there is no file then.
    package func create(bytes: UInt64, isAllocated: Bool, until deadline: ContinuousClock.Instant) throws {
        try create(inPlace: isAllocated) { descriptor in
            try grow(descriptor, to: bytes, isAllocated: isAllocated, until: deadline)
        }
    }

    /// Makes the file, lets `body` fill it, and takes it back if that fails.
    private func create(inPlace isInPlace: Bool, _ body: (CInt) throws -> Void) throws {
        let descriptor = try check(
            Glibc.open(path.string, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600), "create '\(path)'")
        defer { close(descriptor) }
        do {
            if isInPlace { try Self.requirePlace(descriptor, named: path) }
            try body(descriptor)
        } catch {
            unlink(path.string)
            throw error
        }
    }

    /// Makes the file larger.
    ///
    /// - Throws: ``SystemCallError``; the file has the size it had.
    package func grow(to bytes: UInt64, isAllocated: Bool, until deadline: ContinuousClock.Instant) throws {
        let descriptor = try open()
        defer { close(descriptor) }
        let old = try self.bytes
        do {
            try grow(descriptor, to: bytes, isAllocated: isAllocated, until: deadline)
        } catch {
            ftruncate(descriptor, off_t(old))
            throw error
        }
    }

    /// Cuts the file off.
    package func shrink(to bytes: UInt64) throws {
        let descriptor = try open()
        defer { close(descriptor) }
        try check(ftruncate(descriptor, off_t(bytes)), "truncate '\(path)'")
        try check(fsync(descriptor), "sync '\(path)'")
    }

    /// Waits until the file is on the disk.
    package func sync() throws {
        let descriptor = try open()
        defer { close(descriptor) }
        try check(fsync(descriptor), "sync '\(path)'")
    }

    /// Makes the file as a copy of another, with the same holes; where the file system can, they share blocks.
    ///
    /// - Parameters:
    ///   - source: The other file.
    ///   - isInPlace: Whether writes to the copy are to go to the blocks it has, once ``fillHoles()`` has given it all.
    ///   - deadline: When to give up.
    /// - Throws: ``SystemCallError``; there is no file then.
    package func copy(_ source: SparseFile, isInPlace: Bool, until deadline: ContinuousClock.Instant) throws {
        let reading = try check(
            Glibc.open(source.path.string, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), "open '\(source.path)'")
        defer { close(reading) }
        try create(inPlace: isInPlace) { writing in
            try check(ftruncate(writing, off_t(source.bytes)), "truncate '\(path)'")
            var offset: Int64 = 0
            while let (start, end) = try source.nextData(reading, from: offset) {
                offset = start
                while offset < end {
                    try requireTime(deadline)
                    let count = mobyfs_copy_range(writing, reading, offset, min(end - offset, 64 << 20))
                    guard count > 0 else {
                        throw SystemCallError(
                            "copy '\(source.path)'", Errno(rawValue: count == 0 ? EIO : CInt(-count)))
                    }
                    offset += count
                }
            }
        }
    }

    /// Makes the file share all blocks of another, as that is at one moment, whoever writes to it meanwhile.
    ///
    /// - Returns: Whether the file system can; there is no file else.
    /// - Throws: ``SystemCallError``; there is no file then.
    package func share(_ source: SparseFile) throws -> Bool {
        let reading = try check(
            Glibc.open(source.path.string, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), "open '\(source.path)'")
        defer { close(reading) }
        do {
            try create(inPlace: false) { writing in
                let reason = mobyfs_share_blocks(writing, reading)
                guard reason == 0 else { throw SystemCallError("share '\(source.path)'", Errno(rawValue: reason)) }
            }
            return true
        } catch let error as SystemCallError
            where [.notSupportedOnSocket, .improperLink, .invalidArgument, .inappropriateIOCTLForDevice].contains(
                error.errno)
        {
            return false
        }
    }

    private func nextData(_ descriptor: CInt, from offset: Int64) throws -> (start: Int64, end: Int64)? {
        var (start, end) = (Int64(0), Int64(0))
        let reason = mobyfs_next_data(descriptor, offset, &start, &end)
        guard reason != ENXIO else { return nil }
        guard reason == 0 else { throw SystemCallError("seek in '\(path)'", Errno(rawValue: reason)) }
        return (start, end)
    }

    private func open() throws -> CInt {
        try check(Glibc.open(path.string, O_RDWR | O_NOFOLLOW | O_CLOEXEC), "open '\(path)'")
    }

    private func requireTime(_ deadline: ContinuousClock.Instant) throws {
        guard deadline > .now else { throw SystemCallError("write '\(path)' in time", .timedOut) }
    }
}

// MARK: - Blocks

extension SparseFile {
    /// Gives the file the blocks that it lacks, and keeps what is in it.
    ///
    /// Where file systems have no such call nothing took blocks away either.
    package func fillHoles() throws {
        let descriptor = try open()
        defer { close(descriptor) }
        let reason = try Self.allocate(descriptor, 0, Int64(bytes))
        guard reason == 0 || reason == EOPNOTSUPP else { throw failure(reason) }
    }

    private func grow(
        _ descriptor: CInt, to bytes: UInt64, isAllocated: Bool, until deadline: ContinuousClock.Instant
    ) throws {
        guard let size = off_t(exactly: bytes) else { throw failure(EFBIG) }
        let old = try off_t(self.bytes)
        if isAllocated, size > old {
            try requireSpace(descriptor, bytes: UInt64(size - old))
            let reason = Self.allocate(descriptor, Int64(old), Int64(size - old))
            switch reason {
            case 0: break
            case EOPNOTSUPP: try writeZeros(descriptor, old..<size, until: deadline)
            default: throw failure(reason)
            }
        }
        try check(ftruncate(descriptor, size), "make '\(path)' \(bytes) bytes large")
        try check(fsync(descriptor), "sync '\(path)'")
    }

    private static func allocate(_ descriptor: CInt, _ offset: Int64, _ length: Int64) -> CInt {
        while true {
            let reason = mobyfs_allocate(descriptor, offset, length)
            if reason != EINTR { return reason }
        }
    }

    /// Throws at once if the space is not there: the kernel would take all there is before it finds out.
    private func requireSpace(_ descriptor: CInt, bytes: UInt64) throws {
        var status = statvfs()
        try check(fstatvfs(descriptor, &status), "statvfs '\(path)'")
        let (free, isMore) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        guard isMore || free >= bytes else { throw failure(ENOSPC) }
    }

    /// For file systems that have no other way to take up space, such as NFS before 4.2.
    private func writeZeros(_ descriptor: CInt, _ range: Range<off_t>, until deadline: ContinuousClock.Instant) throws {
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        var offset = range.lowerBound
        while offset < range.upperBound {
            try requireTime(deadline)
            let length = Int(min(off_t(zeros.count), range.upperBound - offset))
            offset += off_t(try check(pwrite(descriptor, zeros, length, offset), "write '\(path)'"))
        }
    }

    private func failure(_ reason: CInt) -> SystemCallError {
        SystemCallError("allocate '\(path)'", Errno(rawValue: reason))
    }

    /// File systems that write to a new place each time, so that having blocks does not mean that a write succeeds.
    private static let wandering: [UInt64: String] = [
        0x2fc1_2fc1: "zfs", 0xca45_1a4e: "bcachefs", 0xf2f5_2010: "f2fs", 0x3434: "nilfs2",
    ]
    private static let btrfs: UInt64 = 0x9123_683e

    /// Sees to it that writes to the empty file go to the blocks it has, or throws.
    private static func requirePlace(_ descriptor: CInt, named path: FilePath) throws {
        let magic = mobyfs_filesystem_magic(descriptor)
        if let name = wandering[magic] {
            throw SystemCallError("reserve space on \(name), which writes to a new place each time", .notSupported)
        }
        guard magic == btrfs else { return }
        let reason = mobyfs_write_in_place(descriptor)
        guard reason == 0 else {
            throw SystemCallError("switch copy-on-write off for '\(path)'", Errno(rawValue: reason))
        }
    }
}
