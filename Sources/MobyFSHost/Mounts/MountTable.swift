// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// One line of /proc/PID/mountinfo.
///
/// Source: proc_pid_mountinfo(5).
package struct MountEntry: Hashable, Sendable {
    /// The mount's number, unique among the mounts that exist.
    package var id: UInt64
    /// `MAJOR:MINOR` of the file system. (On btrfs stat(2) says another number.)
    package var device: String
    /// Which directory of the file system is mounted.
    package var root: FilePath
    /// Where it is mounted, seen from the process's root directory.
    package var mountpoint: FilePath
    /// The file system's type, such as `ext4`.
    package var type: String
    /// What is mounted, such as `/dev/vda1`.
    package var source: String
    /// The options of the file system itself, separated by commas.
    package var options: String

    package init(
        id: UInt64, device: String, root: FilePath, mountpoint: FilePath, type: String, source: String,
        options: String = ""
    ) {
        self.id = id
        self.device = device
        self.root = root
        self.mountpoint = mountpoint
        self.type = type
        self.source = source
        self.options = options
    }
}

extension MountEntry {
    /// Whether some server answers for it, which may hang, and not a disk of this host.
    package var hasServer: Bool {
        type.hasPrefix("fuse")
            || ["nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "lustre", "gfs2", "ocfs2"].contains(type)
    }

    /// Whether the file system takes no changes, by what it was mounted with or because of an error.
    package var isReadOnly: Bool {
        // ext4 says the latter two of itself, from Linux 6.15 on; before, it turned to the first.
        options.split(separator: ",").contains { ["ro", "emergency_ro", "shutdown"].contains($0) }
    }
}

/// Some of the mounts of a table.
package struct MountSelection: Hashable, Sendable {
    /// `MAJOR:MINOR` of file systems whose mounts are among them.
    package var devices: Set<String> = []
    /// What was mounted; nil for nothing beside those of ``devices``.
    package var source: String?

    package init(devices: Set<String> = [], source: String? = nil) {
        self.devices = devices
        self.source = source
    }

    /// Whether a mount is among them.
    package func contains(_ entry: MountEntry) -> Bool {
        devices.contains(entry.device) || entry.source == source
    }
}

/// The mounts of one mount namespace.
package struct MountTable: Sendable {
    package var entries: [MountEntry]

    /// Reads the mounts a process sees.
    ///
    /// - Parameters:
    ///   - process: A process ID, or `self`.
    ///   - wanted: Which mounts matter, beside what is at `/`; nil for all.
    /// - Throws: ``SystemCallError`` if the process has ended or may not be looked at.
    package init(ofProcess process: String = "self", onlyOf wanted: MountSelection? = nil) throws {
        // A host with many containers has a table of megabytes.
        let bytes = try DurableFile.read(FilePath("/proc/\(process)/mountinfo"), limit: 1 << 28)
        self.init(parsing: bytes, onlyOf: wanted)
    }

    /// Reads a table from the bytes of a mountinfo file; lines that make no sense are passed over.
    package init(parsing bytes: [UInt8], onlyOf wanted: MountSelection? = nil) {
        var (entries, lines) = ([MountEntry](), MountFields(bytes[...], between: "\n"))
        while let line = lines.next() {
            if let entry = MountEntry(parsing: line, onlyOf: wanted) { entries.append(entry) }
        }
        self.entries = entries
    }

    /// The first mount at a path or below it.
    package func mount(within path: FilePath) -> MountEntry? {
        entries.first { $0.mountpoint.starts(with: path) }
    }

    /// The mount with this number.
    package func entry(id: UInt64) -> MountEntry? {
        entries.first { $0.id == id }
    }
}

extension MountEntry {
    /// Reads `36 35 98:0 /root /mountpoint rw,noatime master:1 - ext3 /dev/root rw,errors=continue`.
    fileprivate init?(parsing line: ArraySlice<UInt8>, onlyOf wanted: MountSelection?) {
        var fields = MountFields(line, between: " ")
        guard let number = fields.next(), let id = UInt64(String(decoding: number, as: UTF8.self)),
            fields.next() != nil, let device = fields.next(), let root = fields.next(), let mountpoint = fields.next(),
            fields.next() != nil
        else { return nil }
        self.id = id
        self.device = String(decoding: device, as: UTF8.self)
        let isWanted = wanted?.devices.contains(self.device) ?? true || mountpoint.elementsEqual("/".utf8)
        // The rest of a line takes the most time.
        guard isWanted || wanted?.source != nil else { return nil }
        // Any number of optional fields stands before the lone hyphen.
        while let field = fields.next(), !field.elementsEqual("-".utf8) {}
        guard let type = fields.next(), let source = fields.next() else { return nil }
        guard isWanted || wanted?.source.map({ source.elementsEqual($0.utf8) }) ?? false else { return nil }
        self.root = FilePath(Self.unescape(root))
        self.mountpoint = FilePath(Self.unescape(mountpoint))
        self.type = Self.unescape(type)
        self.source = Self.unescape(source)
        options = fields.next().map(Self.unescape) ?? ""
    }

    /// The kernel writes space, tab, newline and backslash as three octal digits.
    static func unescape(_ field: ArraySlice<UInt8>) -> String {
        guard field.contains(UInt8(ascii: "\\")) else { return String(decoding: field, as: UTF8.self) }
        var text: [UInt8] = []
        var rest = field
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                text.append(value)
                rest = rest.dropFirst(3)
            } else {
                text.append(byte)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// What stands between separators, one after the other: a table is read at each Remove, for each mount namespace.
private struct MountFields {
    private var rest: ArraySlice<UInt8>?
    private let separator: UInt8

    init(_ bytes: ArraySlice<UInt8>, between separator: Unicode.Scalar) {
        rest = bytes
        self.separator = UInt8(ascii: separator)
    }

    mutating func next() -> ArraySlice<UInt8>? {
        guard let bytes = rest else { return nil }
        guard let end = bytes.firstIndex(of: separator) else {
            rest = nil
            return bytes
        }
        rest = bytes[(end + 1)...]
        return bytes[..<end]
    }
}
