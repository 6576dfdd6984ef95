// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// A loop device: a file seen as a block device.
///
/// The devices this makes let go of their file by themselves when nobody has them open or mounted any more, and
/// until something is mounted this process has them open. So none is left behind by a process that is killed.
///
/// Source: loop(4), drivers/block/loop.c. All calls block.
package struct LoopDevice: Hashable, Sendable {
    /// The N of /dev/loopN.
    package let number: CInt

    package init(number: CInt) {
        self.number = number
    }

    /// The loop device with a path such as `/dev/loop3`, as a mount table has it.
    package init?(path: FilePath) {
        guard path.removingLastComponent() == "/dev", let name = path.lastComponent?.string else { return nil }
        self.init(name: name)
    }

    private init?(name: String) {
        let digits = name.utf8.dropFirst(4)
        // As the kernel writes it: without a sign, or zeros in front.
        guard name.hasPrefix("loop"), digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            digits.first != UInt8(ascii: "0") || digits.count == 1, let number = CInt(name.dropFirst(4))
        else { return nil }
        self.number = number
    }

    /// Its node.
    package var path: FilePath { FilePath("/dev/loop\(number)") }

    /// The mounts of the file system on it.
    ///
    /// That of btrfs has another number than the device.
    package var mounts: MountSelection {
        MountSelection(devices: Set([attribute("dev")].compactMap { $0 }), source: path.string)
    }

    /// Its folder in sysfs(5).
    package var attributes: FilePath { FilePath("/sys/block/loop\(number)") }

    /// The first line of a file there; nil if it cannot be read, as without a file.
    private func attribute(_ name: String) -> String? {
        let bytes = try? DurableFile.read(attributes.appending(name))
        return bytes.map { String(decoding: $0.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self) }
    }
}

// MARK: - Which file

extension LoopDevice {
    /// What the kernel tells of a device that has a file.
    package struct Status: Hashable, Sendable {
        /// The file.
        package let file: FileID
        /// Whether the whole file can be read and written through the device.
        package let isWhole: Bool
        /// Whether it lets go of the file when it is closed for the last time.
        package let isAutoclear: Bool
        /// Whether it goes past the page cache of the file system that the file is on.
        package let isDirect: Bool
    }

    /// The files that devices have, as the kernel tells their paths: that of one that is deleted ends with ` (deleted)`.
    ///
    /// None where sysfs(5) is not mounted, as in some containers.
    package static func backingFiles() throws -> [(device: LoopDevice, file: FilePath)] {
        let devices: [LoopDevice]
        do {
            devices = try withFiles()
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
            return []
        }
        return devices.sorted { $0.number < $1.number }.compactMap { device in
            device.backingFile.map { (device, $0) }
        }
    }

    /// The devices that have a file, without opening them; also those of no size, as the locks of hosts are, which
    /// /proc/partitions leaves out.
    private static func withFiles() throws -> [LoopDevice] {
        // There may be hundreds that have none.
        try Directories.entries(of: "/sys/block").filter { $0.hasPrefix("loop") && hasFile($0) }
            .compactMap { LoopDevice(name: $0) }
    }

    /// A device that has a file that was in a directory which is gone: only the last two components of that count.
    package static func ofFile(formerlyIn directory: FilePath) throws -> LoopDevice? {
        try backingFiles().first { $0.file.hasEnd(of: directory) }?.device
    }

    /// The path that the kernel tells of the file; nil without one.
    private var backingFile: FilePath? {
        attribute("loop/backing_file").map { FilePath($0) }
    }

    /// What the device has; nil if it has no file.
    package func status() throws -> Status? {
        // A device that goes away between two looks has no file either.
        guard hasFile, let descriptor = try openIfThere() else { return nil }
        defer { close(descriptor) }
        return try status(of: descriptor)
    }

    private func status(of descriptor: CInt) throws -> Status? {
        var status = mobyfs_loop_status()
        let reason = mobyfs_loop_status(descriptor, &status)
        guard reason != ENXIO else { return nil }
        guard reason == 0 else { throw SystemCallError("LOOP_GET_STATUS64 '\(path)'", Errno(rawValue: reason)) }
        return Status(
            file: FileID(device: dev_t(status.file_device), inode: ino_t(status.file_inode)),
            isWhole: status.offset == 0 && status.size_limit == 0 && status.is_read_only == 0,
            isAutoclear: status.is_autoclear != 0, isDirect: status.is_direct != 0)
    }

    /// The device that has a file, whatever name it has it under.
    package static func attached(to file: FileID) throws -> LoopDevice? {
        // One that does not tell has a file of a server that is gone: not this one, which could be looked at.
        try attached(mayHave: file).first { (try? $0.status())?.file == file }
    }

    /// Whether it has a file, without opening it.
    private var hasFile: Bool { Self.hasFile("loop\(number)") }

    private static func hasFile(_ name: String) -> Bool { access("/sys/block/" + name + "/loop", F_OK) == 0 }

    /// All devices that have a file, which may be this one.
    ///
    /// Who asks a device which file it has asks the file's server, and waits for it. So those are left out whose file is
    /// on another file system that has a server.
    private static func attached(mayHave file: FileID) throws -> [LoopDevice] {
        let devices = try withFiles()
        guard !devices.isEmpty else { return [] }
        let table = try MountTable()
        let others = table.entries.filter { $0.hasServer && $0.device != file.deviceNumber }
        guard !others.isEmpty else { return devices }
        return devices.filter { device in
            // Where the path says nothing here, it may be this one.
            guard let path = device.backingFile, others.contains(where: { path.starts(with: $0.mountpoint) }) else {
                return true
            }
            return MountLocation(ofMounted: path, in: table).map { !others.contains($0.covering) } ?? true
        }
    }
}

// MARK: - Attaching

extension LoopDevice {
    /// Each time that a number was taken, another process got its device; so many do not start at once.
    private static let attempts = 4096

    /// Runs `body` with a device that has a file, and that keeps it for as long as `body` runs or something is
    /// mounted from the device.
    ///
    /// A file that has a device already keeps to that one: through two of them, each with its own cache, one
    /// file system would be destroyed.
    ///
    /// - Parameters:
    ///   - file: A file, not a symbolic link to one.
    ///   - body: What is done with the device.
    /// - Returns: What `body` does.
    /// - Throws: ``SystemCallError``, ``LoopDeviceError``, or what `body` throws.
    package static func withAttached<Result>(
        _ file: FilePath, _ body: (LoopDevice) throws -> Result
    ) throws -> Result {
        let backing = try check(open(file.string, O_RDWR | O_NOFOLLOW | O_CLOEXEC), "open '\(file)'")
        defer { close(backing) }
        let identity = try FileID(ofDescriptor: backing, named: file)
        let (device, descriptor) = try reuse(identity) ?? lockAndAttach(backing, named: file)
        defer { close(descriptor) }
        return try body(device)
    }

    /// Attaches a file that no device of another host has.
    ///
    /// The lock is the device's from then on: it ends when the device lets go of the file, or the host dies.
    private static func lockAndAttach(_ backing: CInt, named file: FilePath) throws -> (LoopDevice, CInt) {
        guard try FileLock.take(backing, named: file, patience: .seconds(2)) else {
            throw LoopDeviceError.attachedElsewhere(file)
        }
        return try attach(backing, named: file)
    }

    /// Attaches a file to a device that keeps it until ``detach()``, whatever becomes of this process.
    ///
    /// - Parameters:
    ///   - backing: The open file. What is locked through it stays locked.
    ///   - file: Its path, for errors.
    /// - Returns: The device.
    /// - Throws: ``SystemCallError`` or ``LoopDeviceError``.
    static func attachForGood(_ backing: CInt, named file: FilePath) throws -> LoopDevice {
        let (device, descriptor) = try attach(backing, named: file, isAutoclear: false)
        close(descriptor)
        return device
    }

    /// Lets go of the file.
    package func detach() throws {
        guard let descriptor = try openIfThere() else { return }
        defer { close(descriptor) }
        let reason = mobyfs_loop_clear(descriptor)
        guard [0, ENXIO].contains(reason) else {
            throw SystemCallError("LOOP_CLR_FD '\(path)'", Errno(rawValue: reason))
        }
    }

    private static func reuse(_ file: FileID) throws -> (LoopDevice, CInt)? {
        for device in try attached(mayHave: file) {
            // Asked with the device open: from now on it keeps its file. One that cannot be opened, or does not tell, is
            // somebody else's, or has a file of a server that is gone.
            guard let descriptor = try? device.openIfThere() else { continue }
            do {
                if let status = try? device.status(of: descriptor), status.file == file {
                    guard status.isWhole else { throw LoopDeviceError.attachedOtherwise(device) }
                    if !status.isAutoclear {
                        try device.perform("LOOP_SET_STATUS64", mobyfs_loop_set_autoclear(descriptor))
                    }
                    return (device, descriptor)
                }
                close(descriptor)
            } catch {
                close(descriptor)
                throw error
            }
        }
        return nil
    }

    private static func attach(
        _ backing: CInt, named file: FilePath, isAutoclear: Bool = true
    ) throws -> (LoopDevice, CInt) {
        let control = open(controlPath, O_RDWR | O_CLOEXEC)
        guard control >= 0 else { throw LoopDeviceError.noControl(Errno(rawValue: errno)) }
        defer { close(control) }
        var isDirect: CInt = 1
        for _ in 0..<attempts {
            let number = mobyfs_loop_free_number(control)
            guard number >= 0 else { throw SystemCallError("LOOP_CTL_GET_FREE", Errno(rawValue: -number)) }
            let device = LoopDevice(number: number)
            guard let descriptor = try device.openIfThere() else { continue }
            switch mobyfs_loop_configure(descriptor, backing, isDirect, isAutoclear ? 1 : 0) {
            case 0: return (device, descriptor)
            case EBUSY, EAGAIN, ENXIO: close(descriptor)
            case EINVAL where isDirect != 0:
                // File systems without direct I/O; newer kernels do without by themselves.
                close(descriptor)
                isDirect = 0
            case let reason:
                close(descriptor)
                throw SystemCallError("LOOP_CONFIGURE '\(device.path)' with '\(file)'", Errno(rawValue: reason))
            }
        }
        throw SystemCallError("LOOP_CTL_GET_FREE", .resourceTemporarilyUnavailable)
    }

    /// Takes over the size that the file has now.
    package func refreshSize() throws {
        let descriptor = try check(open(path.string, O_RDWR | O_CLOEXEC), "open '\(path)'")
        defer { close(descriptor) }
        try perform("LOOP_SET_CAPACITY", mobyfs_loop_refresh_size(descriptor))
    }

    private func perform(_ call: String, _ reason: CInt) throws {
        guard reason == 0 else { throw SystemCallError("\(call) '\(path)'", Errno(rawValue: reason)) }
    }
}

// MARK: - Nodes

extension LoopDevice {
    private static let controlPath = "/dev/loop-control"

    /// Why there can be no loop devices here, and what to do; nil if there can.
    package static var obstacle: String? {
        let control = open(controlPath, O_RDWR | O_CLOEXEC)
        guard control >= 0 else { return LoopDeviceError.noControl(Errno(rawValue: errno)).description }
        close(control)
        return nil
    }

    /// Opens the device; nil if the kernel has just taken it away.
    private func openIfThere() throws -> CInt? {
        var descriptor = open(path.string, O_RDWR | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT {
            guard try makeNode() else { return nil }
            descriptor = open(path.string, O_RDWR | O_CLOEXEC)
        }
        if descriptor >= 0 { return descriptor }
        let reason = Errno(rawValue: errno)
        guard reason == .noSuchAddressOrDevice || reason == .operationNotSupportedByDevice else {
            throw SystemCallError("open '\(path)'", reason)
        }
        return nil
    }

    /// Makes the node where /dev is not the kernel's own devtmpfs, as in a container.
    ///
    /// - Returns: Whether there is such a device.
    private func makeNode() throws -> Bool {
        // Without the file the device is gone.
        guard let line = attribute("dev") else { return false }
        let numbers = line.split(separator: ":").compactMap { UInt32($0) }
        guard numbers.count == 2 else { return false }
        let reason = mobyfs_make_block_node(path.string, numbers[0], numbers[1])
        guard reason == 0 || reason == EEXIST else {
            throw LoopDeviceError.noNode(self, major: numbers[0], minor: numbers[1], Errno(rawValue: reason))
        }
        return true
    }
}

/// Why there is no loop device, with what to do.
package enum LoopDeviceError: Error, Hashable, CustomStringConvertible {
    case noControl(Errno)
    case noNode(LoopDevice, major: UInt32, minor: UInt32, Errno)
    case attachedOtherwise(LoopDevice)
    case attachedElsewhere(FilePath)

    package var description: String {
        switch self {
        case .noControl(let reason):
            "this host has no loop devices (open '/dev/loop-control': \(reason)): load the kernel's module with "
                + "'modprobe loop', and in a container let it have the host's /dev"
        case .noNode(let device, let major, let minor, let reason):
            "the loop device '\(device.path)' has no node, and none can be made (mknod: \(reason)): run "
                + "'mknod \(device.path) b \(major) \(minor)', or let the container have the host's /dev"
        case .attachedOtherwise(let device):
            "the file is attached to '\(device.path)' in part or read-only: detach it with 'losetup -d \(device.path)'"
        case .attachedElsewhere(let file):
            "'\(file)' is locked: another host, or another process of this one, is using it"
        }
    }
}
