// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage

/// A file system whose server can hang, go on and die: a program of this host, with no network behind it.
struct SilentServer: Sendable {
    enum Kind: Sendable {
        /// sshfs with an SFTP server of this host, and no ssh between.
        case sshfs
        /// GlusterFS, which hosts share, with its servers' part in the same process.
        case glusterfs

        var isAvailable: Bool {
            geteuid() == 0 && FilePath("/dev/fuse").exists
                && HelperProgram("\(self)", package: "\(self)").locate() != nil
                && (self == .glusterfs || FilePath(SilentServer.sftp).exists)
        }
    }

    private static let sftp = "/usr/lib/openssh/sftp-server"

    /// Where it is mounted.
    let path: FilePath
    private let kind: Kind
    private let root: FilePath

    /// Runs `body` with one that is mounted.
    ///
    /// - Parameters:
    ///   - path: Where.
    ///   - kind: What it is.
    ///   - body: The test.
    /// - Throws: What `body` throws, and why it cannot be mounted.
    static func with(
        at path: FilePath, _ kind: Kind = .sshfs, _ body: (SilentServer) async throws -> Void
    ) async throws {
        let server = SilentServer(path: path, kind: kind, root: path.removingLastComponent())
        try Directories.create(path, mode: 0o755)
        try server.root.appending("glusterfs.vol").write(
            """
            volume files
                type storage/posix
                option directory \(server.root)/files
            end-volume
            volume locks
                type features/locks
                subvolumes files
            end-volume

            """)
        try server.root.appending("ssh").write("#!/bin/sh\nexec \(sftp)\n")
        try await server.shell("mkdir $FILES; chmod 755 $FILES $ROOT/ssh")
        try await server.mount()
        do {
            try await body(server)
        } catch {
            try await server.end()
            throw error
        }
        try await server.end()
    }

    func mount() async throws {
        switch kind {
        case .sshfs: try await shell("sshfs -o ssh_command=$ROOT/ssh x:$FILES $POOL")
        case .glusterfs:
            try await shell(
                """
                glusterfs -f $ROOT/glusterfs.vol -l $ROOT/glusterfs.log $POOL
                i=0
                until mountpoint -q $POOL; do i=$((i+1)); test $i -lt 100 || exit 1; sleep 0.1; done
                """)
        }
    }

    /// Lets it hang, until the end of ``whileHung(_:)``.
    func hang() async throws { try await signal("STOP") }

    /// Runs `body`, and then lets it go on whatever came of that.
    ///
    /// Until it does, neither a process that waits for it ends, nor does anybody on this machine who looks through all
    /// loop devices.
    ///
    /// - Parameter body: The test.
    /// - Throws: What `body` throws.
    func whileHung(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch {
            try await goOn()
            throw error
        }
        try await goOn()
    }

    /// Not cancelled with the test.
    private func goOn() async throws { try await Task { try await signal("CONT") }.value }

    /// Ends it as a crash does.
    func die() async throws { try await signal("KILL") }

    /// The beginning of its command line, as far as it is nobody else's.
    private var command: String {
        switch kind {
        case .sshfs: "sshfs .* x:$FILES $POOL"
        case .glusterfs: "glusterfs -f $ROOT/"
        }
    }

    private func signal(_ name: String) async throws {
        try await shell("pkill -\(name) -f \"^\(command)\"")
    }

    private func end() async throws {
        // It may be gone.
        try await shell("pkill -KILL -f \"^\(command)\"; umount -l $POOL; :")
    }

    /// Runs a script that knows `$POOL`, where it is mounted, and `$FILES`, the same without it.
    func shell(_ script: String) async throws {
        let variables = "ROOT=\(root); POOL=\(path); FILES=$ROOT/files; "
        try await HelperProgram("sh", package: "dash").run(["-uc", variables + script], until: .now + .seconds(30))
    }
}
