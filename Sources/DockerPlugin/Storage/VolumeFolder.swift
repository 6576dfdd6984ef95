// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A folder with a file for each volume, used by one process at a time.
///
/// All calls block.
final class VolumeFolder: Sendable {
    /// A file that makes no sense.
    struct Damage {
        /// The volume whose file it is, if the file's name tells.
        var volume: String?
        var file: String
        var reason: String
    }

    /// What the names of half-written files begin with; no volume's does.
    private static let stagingPrefix = ".new-"
    private static let suffix = ".json"

    let path: String
    private let directory: CInt
    private let bootID: String

    /// Takes possession of a folder, which is made if it is not there.
    ///
    /// - Throws: ``PluginError`` if it cannot be used, or another process uses it.
    init(_ path: String) throws(PluginError) {
        self.path = path
        try Self.makeDirectory(path, mode: 0o700)
        directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw Self.failure("open '\(path)'") }
        // Without it counts of mounts end with this process.
        bootID =
            (try? Self.read("/proc/sys/kernel/random/boot_id", limit: 4096)).map {
                String(decoding: $0.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
            } ?? ""
        guard flock(directory, LOCK_EX | LOCK_NB) == 0 else {
            // What is made whole closes the directory when it goes, here as well.
            throw errno == EWOULDBLOCK
                ? PluginError("another process keeps volumes in '\(path)': stop it, or choose another folder")
                : Self.failure("lock '\(path)'")
        }
    }

    deinit {
        close(directory)
    }

    /// A name for a volume's file: the volume's own where that can be one.
    func fileName(for volume: String) -> String {
        let own = volume + Self.suffix
        if VolumeNameRule.portable.allows(volume), own.utf8.count <= 255 { return own }
        return "~\(Self.unique())\(Self.suffix)"
    }

    // MARK: - Reading

    /// Reads all files, and deletes what a crash left half written.
    func load() throws(PluginError) -> (volumes: [(file: String, content: VolumeFile)], damaged: [Damage]) {
        var volumes: [(file: String, content: VolumeFile)] = []
        var damaged: [Damage] = []
        var names: Set<String> = []
        for entry in try entries() {
            if entry.hasPrefix(Self.stagingPrefix) { discard(entry) }
            guard entry.hasSuffix(Self.suffix), !entry.hasPrefix(".") else { continue }
            let stem = String(entry.dropLast(Self.suffix.count))
            do {
                let content = try VolumeFile(decoding: Self.read(pathOf(entry)), bootID: bootID)
                let name = content.volume.name
                guard stem == name || stem.hasPrefix("~"), names.insert(name).inserted else {
                    throw PluginError("it speaks of volume '\(VolumeNameRule.printable(name))', whose file is another")
                }
                volumes.append((entry, content))
            } catch {
                let volume = VolumeNameRule.portable.allows(stem) ? stem : nil
                damaged.append(Damage(volume: volume, file: pathOf(entry), reason: "\(error)"))
            }
        }
        return (volumes, damaged)
    }

    private func pathOf(_ file: String) -> String { "\(path)/\(file)" }

    private func entries() throws(PluginError) -> [String] {
        guard let stream = opendir(path) else { throw Self.failure("open '\(path)'") }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                String(cString: UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self))
            }
            names.append(name)
            errno = 0
        }
        guard errno == 0 else { throw Self.failure("read '\(path)'") }
        return names.sorted()
    }

    private static func read(_ path: String, limit: Int = 1 << 26) throws(PluginError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else { throw failure("open '\(path)'") }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            guard count >= 0 else { throw failure("read '\(path)'") }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= limit else { throw PluginError("'\(path)' is larger than \(limit) bytes") }
        }
    }

    // MARK: - Writing

    /// Writes what is to become a volume's file.
    ///
    /// From here on a full disk is no obstacle any more.
    ///
    /// - Returns: What to commit or discard.
    /// - Throws: ``PluginError``; nothing is left behind.
    func stage(_ content: VolumeFile) throws(PluginError) -> String {
        let staged = "\(Self.stagingPrefix)\(Self.unique())"
        let file = openat(directory, staged, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Self.failure("create '\(pathOf(staged))'") }
        defer { close(file) }
        var rest = content.encoded(bootID: bootID)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            guard count > 0 else { throw abandoned(staged, "write '\(pathOf(staged))'") }
            rest = rest.dropFirst(count)
        }
        guard fsync(file) == 0 else { throw abandoned(staged, "sync '\(pathOf(staged))'") }
        return staged
    }

    /// Puts a staged file in the place of a volume's: after this it survives a power cut.
    func commit(_ staged: String, as file: String) throws(PluginError) {
        guard renameat(directory, staged, directory, file) == 0 else {
            throw abandoned(staged, "rename '\(pathOf(staged))' to '\(file)'")
        }
        guard fsync(directory) == 0 else { throw Self.failure("sync '\(path)'") }
    }

    /// Replaces a volume's file, whole or not at all.
    func save(_ content: VolumeFile, as file: String) throws(PluginError) {
        try commit(try stage(content), as: file)
    }

    /// Deletes a staged file.
    func discard(_ staged: String) {
        unlinkat(directory, staged, 0)
    }

    /// Deletes a volume's file; one that is gone is no error.
    func delete(_ file: String) throws(PluginError) {
        guard unlinkat(directory, file, 0) == 0 || errno == ENOENT else {
            throw Self.failure("unlink '\(pathOf(file))'")
        }
        guard fsync(directory) == 0 else { throw Self.failure("sync '\(path)'") }
    }

    private func abandoned(_ staged: String, _ call: String) -> PluginError {
        let error = Self.failure(call)
        discard(staged)
        return error
    }

    private static func makeDirectory(_ path: String, mode: mode_t) throws(PluginError) {
        var status = stat()
        if stat(path, &status) == 0 { return }
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try makeDirectory(String(path[..<slash]), mode: 0o755)
        }
        guard mkdir(path, mode) == 0 else {
            if errno == EEXIST { return }
            throw failure("mkdir '\(path)'")
        }
        // Whatever the process's umask is.
        guard chmod(path, mode) == 0 else { throw failure("chmod '\(path)'") }
    }

    private static func failure(_ call: String) -> PluginError {
        PluginError("\(call): \(String(cString: strerror(errno)))")
    }

    private static func unique() -> String {
        String(UInt64.random(in: 0...UInt64.max), radix: 36)
    }
}
