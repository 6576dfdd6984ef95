// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import SystemPackage

/// What volumes may leave on a host: mounts, loop devices, files of the pool and of `/run`, processes.
struct Leftovers: CustomStringConvertible {
    private var items: Set<String> = []

    init() {}

    /// Takes stock of what has to do with a directory.
    init(of root: FilePath, _ ground: DriverGround) async {
        do {
            let mounts = try MountTable().entries.filter { $0.mountpoint.starts(with: root) }
            items.formUnion(mounts.map { "mount \($0.mountpoint) (\($0.type))" })
            items.formUnion(try Self.loopDevices(of: root.appending("pool")))
            items.formUnion(try Self.processes(of: root))
            for folder in ["pool/volumes", "pool/trash", "pool/quarantine", "run/mounts", "run/holders"] {
                items.formUnion(try Self.names(in: root.pushing(FilePath(folder))).map { "file \(folder)/\($0)" })
            }
            items.formUnion(try await ground.leftovers())
        } catch {
            items.insert("cannot be told: \(error)")
        }
    }

    var isEmpty: Bool { items.isEmpty }

    func without(_ others: Leftovers) -> Leftovers {
        var rest = Leftovers()
        rest.items = items.subtracting(others.items)
        return rest
    }

    var description: String { items.sorted().joined(separator: ", ") }

    private static func names(in folder: FilePath) throws -> [String] {
        do {
            return try Directories.entries(of: folder)
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
            return []
        }
    }

    private static func loopDevices(of root: FilePath) throws -> [String] {
        try LoopDevice.backingFiles().filter { $0.file.string.contains(root.string) }.map {
            "loop device of \($0.file)"
        }
    }

    /// Processes that have the directory among their arguments: what serves a FUSE mount.
    private static func processes(of root: FilePath) throws -> [String] {
        try names(in: "/proc").filter { $0.first?.isNumber == true }.compactMap { process in
            // It may have ended.
            guard let bytes = try? DurableFile.read(FilePath("/proc/\(process)/cmdline")) else { return nil }
            let line = String(decoding: bytes.map { $0 == 0 ? UInt8(ascii: " ") : $0 }, as: UTF8.self)
            return line.contains(root.string) ? "process \(line)" : nil
        }
    }
}
