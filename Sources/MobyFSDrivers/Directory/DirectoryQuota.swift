// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import MobyFSVolumes
import SystemPackage

/// The project quota that holds one directory volume to its size.
///
/// The number of the project is kept in the volume's record: files can lose theirs (no program for backups keeps it), and
/// containers can give them another (see ``ProjectMembership``), so each Mount looks whether it still holds. What is in
/// the trash keeps its project, and so its number is not given away, until it is deleted.
///
/// All calls block.
struct DirectoryQuota {
    /// The numbers that projects of volumes have: "M" and three bytes drawn at random.
    ///
    /// Containers' engines count from small numbers on, administrators often take those of users, and systemd's are
    /// those from 2147483648 on.
    static let numbers: ClosedRange<UInt32> = 0x4D00_0000...0x4DFF_FFFF

    /// Under which name a record keeps the number.
    private static let key = "quota.project"

    /// With more files than this a Create takes too long for people.
    static let adoptionLimit = 100_000

    private let volume: Volume
    private let path: FilePath
    private let context: DriverContext

    init(_ volume: Volume, at path: FilePath, in context: DriverContext) {
        self.volume = volume
        // Whoever owns a folder on the way may put a link there later: that is refused then, and not followed.
        self.path = Directories.resolve(path)
        self.context = context
    }

    /// The number that a record says.
    private static func number(in state: [String: String]) -> UInt32? {
        state[key].flatMap { UInt32($0) }.flatMap { numbers.contains($0) ? $0 : nil }
    }

    private static func state(_ number: UInt32) -> [String: String] { [key: "\(number)"] }

    private var number: UInt32? { Self.number(in: volume.state) }

    /// Opens the quotas of the volume's file system.
    ///
    /// - Throws: ``VolumeError`` unless limits hold there.
    private func open(_ failure: String) throws -> ProjectQuota {
        if let reason = ProjectQuotaSupport.reasonAgainst(path) {
            throw VolumeError(.unavailable, "\(failure): \(reason)")
        }
        return try ProjectQuota(of: path)
    }

    // MARK: - Usage

    /// What the kernel has counted; nil where it counts nothing for the volume.
    func usage() throws -> VolumeUsage? {
        guard let number, let size = volume.options.size else { return nil }
        let usage = try open("volume '\(volume.name)' cannot be asked how full it is").usage(of: number)
        return VolumeUsage(
            usedBytes: usage.usedBytes, freeBytes: size.bytes - min(size.bytes, usage.usedBytes),
            // Its root counts too.
            usedInodes: usage.usedInodes - min(1, usage.usedInodes), source: .quota)
    }

    // MARK: - Create

    /// Holds a new volume to its size, if it has one.
    ///
    /// - Returns: What the volume's state is to say of it.
    /// - Throws: An error; the directory is as it was.
    func begin() throws -> [String: String] {
        guard let size = volume.options.size else {
            guard let number else { return [:] }
            // Kept data of a volume that had a size: its files stay in their project.
            try lift(number)
            return Self.state(number)
        }
        let quota = try open("volume '\(volume.name)' cannot be held to size='\(size.normal)'")
        if let number, try owner(of: number) == nil {
            try repair(number, in: quota)
            try setLimit(size, of: number, in: quota)
            return Self.state(number)
        }
        return try take(size, in: quota, from: .unclaimed, atMost: Self.adoptionLimit)
    }

    /// Puts the directory into a project of its own and limits that.
    private func take(
        _ size: ByteSize, in quota: borrowing ProjectQuota, from source: ProjectTree.Source, atMost limit: Int
    ) throws -> [String: String] {
        let before = try ProjectMembership(of: path)
        if Self.numbers.contains(before.id), try owner(of: before.id) == nil {
            // A crash has ended a Create or a resize; nobody has the number.
            try quota.setLimit(nil, of: before.id)
            try ProjectTree.assign(path, to: 0, from: .project(before.id), until: context.deadline)
        } else if before.id != 0, source == .unclaimed {
            throw ProjectTree.Problem.claimed(path, by: before.id)
        }
        let number = try quota.reserve(for: path, in: Self.numbers)
        do {
            try ProjectTree.assign(path, to: number, from: source, atMost: limit, until: context.deadline)
            try setLimit(size, of: number, in: quota)
        } catch {
            do {
                try ProjectTree.assign(path, to: 0, from: .project(number), until: context.deadline + .seconds(5))
            } catch let second {
                context.logger.debug("files keep the number of a project", metadata: ["error": "\(second)"])
            }
            throw error
        }
        return Self.state(number)
    }

    /// Takes the limit of a project away, where there can be one.
    private func lift(_ number: UInt32) throws {
        let quota = try ProjectQuota(of: path)
        guard try quota.isOn(), try quota.usage(of: number).limitBytes != nil else { return }
        try quota.setLimit(nil, of: number)
    }

    /// Limits a project that has its files already, unless they are more than that.
    private func setLimit(_ size: ByteSize, of number: UInt32, in quota: borrowing ProjectQuota) throws {
        let used = ByteSize(bytes: try quota.usage(of: number).usedBytes)
        guard used <= size else {
            throw VolumeError(
                .invalidArgument,
                "volume '\(volume.name)' holds \(used), which is more than size='\(size.normal)': delete some of it, or ask "
                    + "for more")
        }
        try quota.setLimit(size.bytes, of: number)
    }

    // MARK: - Mount

    /// Makes sure that the volume is held to its size.
    func verify() throws {
        guard let size = volume.options.size else {
            if let number { try lift(number) }
            return
        }
        let failure = "volume '\(volume.name)' cannot be mounted, for nothing would hold it to size='\(size.normal)'"
        guard let number else {
            throw VolumeError(
                .unavailable, "\(failure): its record names no project; \(advice(size)), which gives it one")
        }
        let quota = try open(failure)
        if try ProjectMembership(of: path) != ProjectMembership(id: number, inherits: true) {
            if let other = try owner(of: number) {
                throw VolumeError(
                    .unavailable,
                    "\(failure): volume '\(other)' has the same project \(number) in its record, of which one is a copy; "
                        + "\(advice(size)), which gives it another")
            }
            try repair(number, in: quota)
        }
        let usage = try quota.usage(of: number)
        if usage.limitBytes != size.roundedUp || usage.hasOtherLimits { try quota.setLimit(size.bytes, of: number) }
    }

    private func advice(_ size: ByteSize) -> String { "run 'mobyfs volume resize \(volume.name) \(size.normal)'" }

    /// Puts all files into the volume's project again.
    private func repair(_ number: UInt32, in quota: borrowing ProjectQuota) throws {
        guard try ProjectMembership(of: path) != ProjectMembership(id: number, inherits: true) else { return }
        // More may be there than the limit lets in.
        try quota.setLimit(nil, of: number)
        try ProjectTree.assign(path, to: number, from: .any, until: context.deadline)
        try quota.setLimit(volume.options.size?.bytes, of: number)
        context.logger.debug("the files of a volume are put into its project again")
    }

    // MARK: - Resize

    /// Holds the volume to another size.
    ///
    /// - Returns: What the volume's state is to say of it.
    func resize(to size: ByteSize) throws -> [String: String] {
        let quota = try open("volume '\(volume.name)' cannot be held to size='\(size.normal)'")
        guard let number, try owner(of: number) == nil else {
            // It had no size, or its number is another volume's too.
            return try take(size, in: quota, from: .any, atMost: .max)
        }
        try repair(number, in: quota)
        try setLimit(size, of: number, in: quota)
        return Self.state(number)
    }

    // MARK: - Remove

    /// Lets a directory go that stays: no limit, no project.
    func end() throws {
        guard let number, Directories.isDirectory(path) == true, try owner(of: number) == nil else { return }
        try lift(number)
        // What is left of it does no harm, and Remove is not to take long.
        let deadline = min(context.deadline, .now + .seconds(10))
        try ProjectTree.assign(path, to: 0, from: .project(number), until: deadline)
    }

    /// Takes the limit away from a directory that is about to be deleted: the kernel forgets the project with its last
    /// file.
    ///
    /// - Parameters:
    ///   - data: The directory.
    ///   - record: The volume's record, if it came to have one.
    /// - Throws: An error if the limit stays.
    static func release(_ data: FilePath, recordedIn record: FilePath) throws {
        guard Directories.isRealDirectory(data) else { return }
        let present = try ProjectMembership(of: data).id
        let recorded = try recordedNumber(record)
        // What is only in the record may be another volume's by now, and what a container has given to the directory is.
        guard numbers.contains(present), recorded == nil || recorded == present else { return }
        let quota = try ProjectQuota(of: data)
        if try quota.isOn() { try quota.setLimit(nil, of: present) }
    }

    private static func recordedNumber(_ record: FilePath) throws -> UInt32? {
        do {
            return number(in: try VolumeRecord.decode(DurableFile.read(record)).state)
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
            return nil
        }
    }

    /// Another volume of the pool whose record has the number.
    private func owner(of number: UInt32) throws -> VolumeName? {
        let pool = context.root.removingLastComponent()
        for entry in try Directories.entries(of: pool) where entry != context.root.lastComponent?.string {
            // What has no record, or none that can be read, is no volume that could be mounted.
            guard let name = try? VolumeName(entry), name != volume.name,
                let bytes = try? DurableFile.read(pool.appending(entry).appending("record.json")),
                let other = try? VolumeRecord.decode(bytes)
            else { continue }
            if Self.number(in: other.state) == number { return name }
        }
        return nil
    }
}

extension ByteSize {
    /// As the kernel keeps limits: in units of 1024 bytes.
    fileprivate var roundedUp: UInt64 { (bytes + 1023) / 1024 * 1024 }
}
