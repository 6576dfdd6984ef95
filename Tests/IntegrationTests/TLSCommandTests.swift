// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Glibc
import MobyFSHost
import MobyFSTesting
import Subprocess
import SystemPackage
import Testing

/// `mobyfs tls` as somebody types it.
@Suite struct TLSCommandTests {
    @Test func saysWhatWasMadeAndWhereItGoes() async throws {
        try await withTemporaryDirectory { root in
            let made = try await runToEnd([
                "tls", "create", "--host", "NAS.example", "--host", "2001:db8::7", "--dir", "\(root)/tls",
            ])
            #expect(made.status == 0)
            for text in [
                "valid for nas.example, 2001:db8::7, localhost, 127.0.0.1, ::1:", "MOBYFS_LISTEN=tcp://0.0.0.0:8443",
                "MOBYFS_TLS_CERT=\(root)/tls/server-cert.pem", "MOBYFS_TLS_KEY=\(root)/tls/server-key.pem",
                "MOBYFS_TLS_CA=\(root)/tls/ca.pem", "MOBYFS_TLS_CLIENT_CERT=\(root)/tls/client-cert.pem",
                "MOBYFS_TLS_CLIENT_KEY=\(root)/tls/client-key.pem", "\"Addr\": \"https://nas.example:8443\"",
            ] {
                #expect(made.output.contains(text), "\(made.output)")
            }
            // What is to be copied into a file is JSON.
            let lines = made.output.split(separator: "\n", omittingEmptySubsequences: false)
            let start = try #require(lines.firstIndex(of: "  {"))
            let end = try #require(lines.firstIndex(of: "  }"))
            let spec = try JSONValue(parsing: Array(lines[start...end].joined().utf8))
            #expect(spec["TLSConfig"]?["CAFile"]?.string == "/etc/mobyfs/tls/ca.pem")

            let again = try await runToEnd(["tls", "create", "--host", "nas", "--dir", "\(root)/tls"])
            #expect(again.status == 1)
            #expect(again.output.contains("--renew"))
            let renewed = try await runToEnd(["tls", "create", "--renew", "--quiet", "--dir", "\(root)/tls"])
            #expect(renewed.output == "\(root)/tls/server-cert.pem\n\(root)/tls/client-cert.pem\n")
        }
    }

    @Test(arguments: [
        ([], "no --host is given"), (["--host", "nas", "--renew", "--force"], "give one of them"),
        (["--renew", "--ca-days", "7"], "--renew keeps"), (["--host", "nas", "--days", "0"], "--days '0'"),
        (["--host", "nas", "--ca-days", "99999"], "--ca-days '99999'"),
        (["--host", "nas", "--days", "20", "--ca-days", "10"], "longer than the CA"),
        (["--host", "https://nas:8443"], "'nas'"), (["--host", ""], "is empty"),
        (["--host", "nas", "--dir", ""], "an empty path"),
    ])
    func refusesWhatCannotBeMeant(arguments: [String], saying: String) async throws {
        try await withTemporaryDirectory { root in
            let refused = try await runToEnd(["tls", "create", "--dir", "\(root)/tls"] + arguments)
            #expect(refused.status != 0)
            #expect(refused.output.contains(saying), "\(refused.output)")
            #expect(!root.appending("tls").exists)
        }
    }

    @Test func inspectionEndsByWhatItFound() async throws {
        try await withTemporaryDirectory { root in
            let set = root.appending("tls")
            let none = try await runToEnd(["tls", "inspect", "\(set)"])
            #expect(none.status == 1)
            #expect(none.output.contains("No such file"), "\(none.output)")
            _ = try await runToEnd(["tls", "create", "--host", "nas", "--days", "10", "--dir", "\(set)"])
            let ending = try await runToEnd(["tls", "inspect", "\(set)"])
            #expect(ending.status == 0)
            #expect(ending.output.contains("warning: '\(set)/server-cert.pem' has "), "\(ending.output)")
            #expect(ending.output.hasSuffix("ok: these files fit together for mutual TLS\n"))
            chmod(set.appending("server-key.pem").string, 0o644)
            let open = try await runToEnd(["tls", "inspect", "\(set)", "--format", "json"])
            #expect(open.status == 1)
            let report = try JSONValue(parsing: Array(open.output.utf8))
            #expect(report["ok"] == false)
            #expect(report["files"]?.array?.count == 6)
            #expect(report["findings"]?.array?.first?["path"]?.string == "\(set)/server-key.pem")
        }
    }

    @Test(arguments: ["000", "077"])
    func theUmaskChangesNothing(mask: String) async throws {
        try await withTemporaryDirectory { root in
            let made = try await launch(
                ["/bin/sh", "-c", "umask \(mask); exec \"$@\"", "sh"], in: root, "--host", "nas")
            #expect(made)
            let set = root.appending("tls")
            #expect(set.attributes.mode == 0o700)
            #expect(set.appending("server-key.pem").attributes.mode == 0o600)
            #expect(set.appending("server-cert.pem").attributes.mode == 0o644)
        }
    }

    /// Killed at each change of the disk in turn: the set is the old one or the new one, and the next call succeeds.
    @Test(
        .enabled(if: Strace.path.exists, "needs strace"),
        arguments: [["--host", "first"], ["--host", "new", "--force"], ["--renew"]])
    func whoeverKillsItLeavesAWholeSet(arguments: [String]) async throws {
        try await withTemporaryDirectory { root in
            let isFirst = arguments.contains("first")
            let fits = "ok: these files fit together for mutual TLS\n"
            if !isFirst { _ = try await launch([], in: root, "--host", "old") }
            var total = 0
            // strace counts the calls of each name apart.
            for name in ["mkdir", "fsync", "rename", "renameat2", "unlinkat", "rmdir"] {
                var kills = 0
                while true {
                    let injection = "inject=\(name):signal=SIGKILL:when=\(kills + 1)"
                    let launcher = [Strace.path.string, "-f", "-qqq", "-o", "/dev/null", "-e", injection]
                    if try await launch(launcher, in: root, arguments) { break }
                    kills += 1
                    if isFirst, !root.appending("tls").exists { continue }
                    let inspection = try await runToEnd(["tls", "inspect", "\(root)/tls"])
                    #expect(inspection.output.hasSuffix(fits), "after \(kills) of \(name): \(inspection.output)")
                    if isFirst { try TreeRemover.remove(root.appending("tls")) }
                }
                total += kills
                #expect(try Directories.entries(of: root) == ["tls"])
                #expect(try Directories.entries(of: root.appending("tls")).count == 6)
                if isFirst { try TreeRemover.remove(root.appending("tls")) }
            }
            #expect(total > 10)
        }
    }

    /// Runs `tls create` for the directory `tls` in a folder, by way of another program.
    private func launch(_ launcher: [String], in root: FilePath, _ arguments: String...) async throws -> Bool {
        try await launch(launcher, in: root, arguments)
    }

    private func launch(_ launcher: [String], in root: FilePath, _ arguments: [String]) async throws -> Bool {
        var command = launcher + [RunningDaemon.binary.string, "tls", "create", "--dir", "\(root)/tls"] + arguments
        let result = try await run(
            .path(FilePath(command.removeFirst())), arguments: Arguments(command), output: .discarded, error: .discarded
        )
        return result.terminationStatus.isSuccess
    }
}

/// The program that ends another at a system call.
private enum Strace {
    static let path: FilePath = "/usr/bin/strace"
}
