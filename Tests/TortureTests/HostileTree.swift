// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage

/// What containers may leave in their volumes.
enum HostileTree {
    /// Fills a folder with it.
    ///
    /// - Parameters:
    ///   - folder: Where a container would see the volume.
    ///   - canary: What is outside.
    ///   - files: How many files there are to be in one folder.
    /// - Throws: ``HelperError`` if some of it cannot be made here.
    static func build(in folder: FilePath, around canary: Canary, files: Int) async throws {
        let outside = canary.folder
        try await Shell.run(
            """
            cd '\(folder)'; mkdir -p d/e; echo own >d/own; echo own >d/e/own
            ln -s '\(outside)' absolute; ln -s '\(outside)/file-1' d/file; ln -s ../../../../outside d/relative
            ln -s '\(outside)/inner' d/e/inner; ln -s .. d/e/up; ln -s / root; ln -s /proc/self/fd magic; ln -s loop loop
            ln '\(outside)/linked' hard 2>/dev/null || true
            echo own >'line
            break'; echo own >-rf; echo own >' '; echo own >'*'; mkdir '$(touch x)'; echo own >"'"
            bytes=$(printf 'not\\377utf\\376'); echo own >"$bytes"; mkdir "$bytes-folder"; echo own >"$bytes-folder/$bytes"
            echo own >"$(printf '%0255d' 0)"
            mkfifo pipe; mknod null c 1 3; mknod disk b 7 0; truncate -s 1T holes
            echo own >closed; chmod 000 closed; mkdir shut; echo own >shut/own; chmod 000 shut
            echo own >suid; chmod 6755 suid; chown -R 1000:1000 d; setfattr -n user.colour -v red d/own
            mkdir frozen append; echo own >frozen/own; echo own >append/own; echo own >immutable; mkdir frozen/empty
            ln immutable d/also-immutable
            chattr +i immutable frozen frozen/empty 2>/dev/null || true; chattr +a append append/own 2>/dev/null || true
            mkdir many; cd many; seq -f 'f%.0f' \(files) | xargs -r touch
            """)
        try bindSocket(at: folder.appending("socket"))
    }

    /// Makes folders in each other; the path of the last is longer than any system call takes.
    static func nest(_ levels: Int, in folder: FilePath) throws {
        var directory = try check(open(folder.string, O_RDONLY | O_DIRECTORY), "open '\(folder)'")
        defer { close(directory) }
        for _ in 0..<levels {
            try check(mkdirat(directory, "d", 0o755), "mkdir")
            let next = try check(openat(directory, "d", O_RDONLY | O_DIRECTORY), "open 'd'")
            close(directory)
            directory = next
        }
        let file = try check(openat(directory, "bottom", O_WRONLY | O_CREAT, 0o644), "open 'bottom'")
        close(file)
    }

    /// A socket that nobody listens at.
    private static func bindSocket(at path: FilePath) throws {
        let descriptor = try check(socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0), "socket")
        defer { close(descriptor) }
        try check(withUnixAddress(path) { bind(descriptor, $0, $1) }, "bind '\(path)'")
    }
}

/// Runs scripts.
enum Shell {
    @discardableResult
    static func run(_ script: String, within limit: Duration = .seconds(120)) async throws -> String {
        try await HelperProgram("sh", package: "dash").run(["-euc", script], until: .now + limit)
    }
}
