// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import SystemPackage

/// A file that has its name only once it is whole.
enum PartialFile {
    /// Lets `body` write a file that is not there yet.
    ///
    /// - Throws: ``CommandFailure`` if there is such a file, or none can be made; what `body` throws, and there is no file.
    static func write(to path: FilePath, _ body: (FileDescriptor) async throws -> Void) async throws {
        guard Directories.isDirectory(path) == nil else {
            throw CommandFailure("'\(path)' is there already: remove it, or choose another name")
        }
        // A name that nobody has put there, as a link to something else perhaps.
        let unique = String(UInt32.random(in: 0...UInt32.max), radix: 36)
        let partial = path.removingLastComponent().appending(".mobyfs-\(unique).partial")
        let descriptor: FileDescriptor
        do {
            descriptor = try .open(
                partial, .writeOnly, options: [.create, .exclusiveCreate, .noFollow, .closeOnExec],
                permissions: .ownerReadWrite)
        } catch {
            throw CommandFailure("'\(partial)' cannot be written: \(error)")
        }
        do {
            try await body(descriptor)
            try descriptor.close()
            try Files.rename(partial, to: path)
        } catch {
            // Half of it is of no use to anybody.
            try? Files.unlink(partial)
            throw error
        }
    }
}
