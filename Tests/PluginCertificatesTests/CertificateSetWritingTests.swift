// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import PluginCertificates
import Subprocess
import SystemPackage
import Testing

@Suite struct CertificateSetWritingTests {
    @Test func onlyTheOwnerCanReadKeys() async throws {
        try await withTemporaryDirectory { root in
            let set = CertificateSet(root.appending("etc/tls"))
            try set.create(hosts: [CertifiedHost("nas")])
            #expect(set.directory.attributes.mode == 0o700)
            for file in CertificateSet.File.allCases {
                #expect(set.path(of: file).attributes.mode == (file.isKey ? 0o600 : 0o644))
            }
            #expect(try Directories.entries(of: set.directory).count == 6)
            #expect(try Directories.entries(of: root.appending("etc")) == ["tls"])
        }
    }

    @Test(arguments: CertificateSet.File.allCases)
    func neverReplacesWhatIsThereUnasked(file: CertificateSet.File) async throws {
        try await withTemporaryDirectory { root in
            let set = CertificateSet(root)
            try set.path(of: file).write("somebody's")
            let error = try #require(throws: CertificateSetError.self) { try set.create(hosts: [CertifiedHost("nas")]) }
            #expect(error.description.contains(file.rawValue))
            #expect(try set.path(of: file).text == "somebody's")
            #expect(try Directories.entries(of: root) == [file.rawValue])
        }
    }

    @Test func needsAHost() async throws {
        try await withTemporaryDirectory { root in
            #expect(throws: CertificateSetError.self) { try CertificateSet(root).create(hosts: []) }
            #expect(throws: CertificateSetError.self) { try CertificateSet(root).renew(hosts: nil) }
            let entries = try Directories.entries(of: root)
            #expect(entries.isEmpty)
        }
    }

    /// Alone in its directory the set is exchanged in one step; beside other things it is replaced file by file.
    @Test(arguments: [[], ["notes.txt"]])
    func replacesASetAndNothingElse(others: [String]) async throws {
        try await withSet(hosts: ["old"]) { set in
            for name in others { try set.directory.appending(name).write("mine") }
            try Directories.set(owner: nil, group: nil, mode: 0o750, of: set.directory)
            let old = try CertificateFacts(pemFile: set.path(of: .authority))
            try set.create(hosts: [CertifiedHost("new")], replacesExisting: true)
            let new = try CertificateFacts(pemFile: set.path(of: .authority))
            #expect(new.serialNumber != old.serialNumber)
            #expect(try CertificateInspection(of: set).fitsTogether)
            #expect(set.directory.attributes.mode == 0o750)
            let names = CertificateSet.File.allCases.map(\.rawValue) + others
            let entries = try Directories.entries(of: set.directory)
            #expect(Set(entries) == Set(names))
            for name in others { #expect(try set.directory.appending(name).text == "mine") }
            #expect(try Directories.entries(of: set.directory.removingLastComponent()) == ["tls"])
        }
    }

    @Test func followsALinkToTheDirectory() async throws {
        try await withSet(hosts: ["old"]) { set in
            let link = set.directory.removingLastComponent().appending("link")
            symlink(set.directory.string, link.string)
            try CertificateSet(link).create(hosts: [CertifiedHost("new")], replacesExisting: true)
            #expect(try CertificateFacts(pemFile: set.path(of: .server)).hosts.first == "new")
            var status = stat()
            #expect(lstat(link.string, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
        }
    }

    /// What a process that was killed has left is in nobody's way.
    @Test(arguments: [".tls.new", "tls/.new"])
    func clearsAwayWhatAKilledProcessLeft(name: String) async throws {
        try await withSet(hosts: ["old"]) { set in
            let root = set.directory.removingLastComponent()
            try Directories.create(root.pushing(FilePath(name)), mode: 0o700)
            try root.pushing(FilePath(name)).appending("ca-key.pem").write("half a k")
            if name.hasPrefix("tls/") {
                try set.renew(hosts: nil)
            } else {
                try set.create(hosts: [CertifiedHost("new")], replacesExisting: true)
            }
            #expect(try CertificateInspection(of: set).fitsTogether)
            #expect(!root.pushing(FilePath(name)).exists)
        }
    }

    @Test func doesNotDisturbAnotherThatIsAtWork() async throws {
        try await withSet(hosts: ["old"]) { set in
            let staging = set.directory.removingLastComponent().appending(".tls.new")
            try Directories.create(staging, mode: 0o700)
            let lock = try DirectoryLock(staging)
            let error = try #require(throws: CertificateSetError.self) {
                try set.create(hosts: [CertifiedHost("new")], replacesExisting: true)
            }
            #expect(error.description.contains("another process"))
            withExtendedLifetime(lock) { #expect(staging.exists) }
        }
    }

    @Test func aDirectoryInTheWayOfAFileLeavesAllAsItWas() async throws {
        try await withSet(hosts: ["old"]) { set in
            try Files.unlink(set.path(of: .client))
            try Directories.create(set.path(of: .client).appending("mine"), mode: 0o700)
            let before = try contents(of: set)
            #expect(throws: CertificateSetError.self) { try set.renew(hosts: nil) }
            try set.directory.appending("other").write("x")
            #expect(throws: CertificateSetError.self) {
                try set.create(hosts: [CertifiedHost("new")], replacesExisting: true)
            }
            #expect(try contents(of: set) == before)
        }
    }

    /// A file system that is full at each point in turn, and one that is a mountpoint, too.
    @Test(.enabled(if: Machine.isRoot, "needs root for a file system of its own"))
    func aFullFileSystemLeavesTheOldSetWhole() async throws {
        try await withTemporaryDirectory { root in
            let mountpoint = root.appending("full")
            try Directories.create(mountpoint, mode: 0o755)
            try check(mount("tmpfs", mountpoint.string, "tmpfs", 0, "size=256k"), "mount '\(mountpoint)'")
            defer { umount2(mountpoint.string, Int32(MNT_DETACH)) }
            for set in [CertificateSet(mountpoint), CertificateSet(mountpoint.appending("tls"))] {
                try set.create(hosts: [CertifiedHost("old")], replacesExisting: true)
                let old = try contents(of: set)
                var failures = 0
                // Each file of the new set takes a page of 4 KiB.
                for free in 0...8 {
                    let ballast = mountpoint.appending("ballast")
                    try fill(ballast, leaving: free * 4096)
                    do {
                        try set.create(hosts: [CertifiedHost("new")], replacesExisting: true)
                    } catch let error as SystemCallError {
                        #expect(error.errno == .noSpace)
                        #expect(try contents(of: set) == old)
                        failures += 1
                    }
                    try Files.unlink(ballast)
                }
                #expect((1...8).contains(failures))
                #expect(try CertificateInspection(of: set).fitsTogether)
            }
        }
    }

    @Test(.enabled(if: Machine.isRoot, "needs root to mount read-only"))
    func aReadOnlyFileSystemLeavesTheOldSetWhole() async throws {
        try await withSet(hosts: ["old"]) { set in
            let path = set.directory.string
            try check(mount(path, path, nil, UInt(MS_BIND), nil), "bind '\(path)'")
            defer { umount2(path, Int32(MNT_DETACH)) }
            try check(mount(nil, path, nil, UInt(MS_BIND | MS_REMOUNT | MS_RDONLY), nil), "remount '\(path)'")
            let old = try contents(of: set)
            #expect(throws: SystemCallError.self) { try set.renew(hosts: nil) }
            #expect(throws: SystemCallError.self) {
                try set.create(hosts: [CertifiedHost("new")], replacesExisting: true)
            }
            #expect(try contents(of: set) == old)
        }
    }

    private func contents(of set: CertificateSet) throws -> [String: String] {
        var contents: [String: String] = [:]
        for file in set.existing where Directories.isDirectory(set.path(of: file)) == false {
            contents[file.rawValue] = try set.path(of: file).text
        }
        return contents
    }

    /// Writes a file until there is just so much space left.
    private func fill(_ path: FilePath, leaving free: Int) throws {
        var status = statvfs()
        try check(statvfs(path.removingLastComponent().string, &status), "statvfs '\(path)'")
        let size = Int(status.f_bavail) * Int(status.f_bsize) - free
        let file = try FileDescriptor.open(path, .writeOnly, options: [.create], permissions: .ownerReadWrite)
        try file.closeAfter {
            _ = try file.writeAll(Array(repeating: UInt8(0), count: max(0, size)))
        }
    }
}
