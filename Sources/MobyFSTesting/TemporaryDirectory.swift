// SPDX-License-Identifier: Apache-2.0

package import Glibc
import MobyFSHost
package import SystemPackage

/// Runs `body` with an empty directory that is deleted afterwards, pass or fail.
///
/// - Parameters:
///   - parent: Where; `/dev/shm` for one in memory.
///   - isolation: Where it runs.
///   - body: What to run.
/// - Returns: What `body` does.
/// - Throws: What `body` does.
package func withTemporaryDirectory<Result>(
    in parent: FilePath = "/tmp", isolation: isolated (any Actor)? = #isolation,
    _ body: (FilePath) async throws -> Result
) async throws -> Result {
    let path = parent.appending("mobyfs-test-\(String(UInt64.random(in: 0...UInt64.max), radix: 36))")
    try Directories.create(path, mode: 0o755)
    // What a test leaves mounted stays, and is found by whoever looks for the cause.
    defer {
        removeMountpoints(below: path)
        try? TreeRemover.remove(path)
    }
    return try await body(path)
}

/// The places that daemons mount at are immutable, and no test is about who removes them.
private func removeMountpoints(below path: FilePath) {
    func inside(_ folder: FilePath) -> [FilePath] {
        ((try? Directories.entries(of: folder)) ?? []).map { folder.appending($0) }
    }
    for folder in [path, path.appending("run")] {
        for volume in inside(folder.appending("mounts")) {
            for mountpoint in inside(volume) + [volume] { try? Mountpoint(mountpoint).remove() }
        }
    }
}

/// What this machine lets a test do.
package enum Machine {
    /// Whether the test runs as root.
    package static var isRoot: Bool { geteuid() == 0 }
}

extension FilePath {
    /// The content of the file, as text.
    package var text: String {
        get throws { String(decoding: try DurableFile.read(self), as: UTF8.self) }
    }

    /// Replaces the content of the file.
    package func write(_ text: String) throws {
        try DurableFile.write(text.utf8, to: self, isDurable: false)
    }

    /// Changes a volume's record as somebody does it by hand who means it: without its checksum.
    package func edit(_ change: (String) -> String) throws {
        let lines = try text.split(separator: "\n", omittingEmptySubsequences: false)
        try write(change(lines.filter { !$0.contains("\"checksum\"") }.joined(separator: "\n")))
    }

    /// Whether there is anything at the path; symbolic links are not followed.
    package var exists: Bool {
        var status = Glibc.stat()
        return Glibc.lstat(string, &status) == 0
    }

    /// Mode, owner and group.
    package var attributes: (mode: mode_t, owner: uid_t, group: gid_t) {
        var status = Glibc.stat()
        Glibc.lstat(string, &status)
        return (status.st_mode & 0o7777, status.st_uid, status.st_gid)
    }
}
