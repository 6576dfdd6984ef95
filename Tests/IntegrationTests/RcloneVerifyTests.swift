// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import Subprocess
import SystemPackage
import Testing

/// `mobyfs plugin verify` against a plugin that somebody else wrote, and that mounts for real.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: Programs.has("rclone") && Programs.has("fusermount3"), "rclone and fuse3 are not installed"),
    .enabled(if: Machine.isRoot && access("/dev/fuse", R_OK | W_OK) == 0, "mounting with FUSE needs root and /dev/fuse")
)
struct RcloneVerifyTests {
    /// Rules that rclone 1.60 (Debian 12) was seen to break, each of them confirmed by hand; later versions break fewer.
    private static let knownToFail: Set<String> = [
        "get-empty", "create-repeat", "mount-repeat", "mount-crash", "mount-hang-up", "name-dots", "name-traversal",
        "parallel-volumes", "parallel-mounts",
    ]

    /// Runs `body` with `rclone serve docker`, whose volumes are mounted below a root.
    private func withRclone(in root: FilePath, _ body: @escaping @Sendable (String) async throws -> Void) async throws {
        for folder in ["base", "remote", "cache"] { try Directories.create(root.appending(folder), mode: 0o755) }
        let socket = root.appending("rclone.sock")
        let outcome = try await run(
            .name("rclone"),
            arguments: [
                "serve", "docker", "--socket-addr", socket.string, "--base-dir", "\(root)/base", "--cache-dir",
                "\(root)/cache", "--config", "\(root)/rclone.conf",
            ], input: .none, output: .discarded, error: .discarded
        ) { execution -> Result<Void, any Error> in
            // It may hang, and unmounts nothing then.
            defer { kill(execution.processIdentifier.value, SIGKILL) }
            do {
                let deadline = ContinuousClock.now + .seconds(90)
                while !socket.exists, .now < deadline { try await Task.sleep(for: .milliseconds(10)) }
                return .success(try await body("unix://\(socket)"))
            } catch {
                return .failure(error)
            }
        }
        for entry in try MountTable().entries where entry.mountpoint.starts(with: root) {
            umount2(entry.mountpoint.string, Int32(MNT_DETACH))
        }
        try outcome.closureResult.get()
    }

    @Test func asksItWithoutChangingAnything() async throws {
        try await withTemporaryDirectory { root in
            try await withRclone(in: root) { address in
                let (status, output) = try await runToEnd(["plugin", "verify", address])
                #expect(status == 1)
                let broken = output.split(separator: "\n").filter { $0.hasPrefix("FAIL") }
                #expect(broken.count == 1, "\(output)")
                #expect(broken.first?.hasPrefix("FAIL get-empty ") == true, "\(output)")
                #expect(try Directories.entries(of: root.appending("base")).isEmpty)
            }
        }
    }

    @Test func findsWhatIsWrongWithIt() async throws {
        try await withTemporaryDirectory { root in
            try await withRclone(in: root) { address in
                let (status, output) = try await runToEnd([
                    "plugin", "verify", address, "--destructive", "--timeout", "10", "-o", "remote=\(root)/remote",
                ])
                #expect(status == 1)
                let failed = output.split(separator: "\n").filter { $0.hasPrefix("FAIL") }
                    .compactMap { $0.split(separator: " ").dropFirst().first.map(String.init) }
                #expect(Set(failed).isSubset(of: Self.knownToFail), "\(output)")
                // These are in its source to this day.
                #expect(Set(failed).isSuperset(of: ["get-empty", "mount-repeat", "mount-hang-up"]), "\(output)")
                for kept in [
                    "create ", "mount ", "mount-two ", "mount-again ", "mountpoint-writable ", "unmount ", "remove ",
                ] {
                    #expect(output.contains("ok   \(kept)"), "\(kept)")
                }
            }
        }
    }
}
