// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import SystemPackage

/// Runs `body` with an empty directory, which is deleted afterwards.
func withScratchDirectory(_ body: (FilePath) throws -> Void) throws {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(parent)/mobyfs-fuzz-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemCallError("mkdtemp", Errno(rawValue: errno)) }
    let path = FilePath(platformString: template)
    // A failure to clean up after a finding would hide that.
    defer { try? TreeRemover.remove(path) }
    try body(path)
}

/// Writes a file, and makes its directory where that is missing.
func write(_ bytes: [UInt8], to path: FilePath) throws {
    mkdir(path.removingLastComponent().string, 0o700)
    let file = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
    try file.closeAfter { _ = try file.writeAll(bytes) }
}
