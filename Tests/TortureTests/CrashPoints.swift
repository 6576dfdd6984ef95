// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MobyFSHost
import MobyFSTesting
import Subprocess
import SystemPackage

/// Kills a daemon at each step that changes a file system, a mount or a device: see `CrashPoints/crash_points.c`.
struct CrashPoints {
    /// For the daemon that is to be killed.
    let environment: [String: String]
    private let steps: FilePath

    /// Why it cannot be done here; nil if it can.
    static let obstacle: String? = {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let isThere = path.split(separator: ":").contains { FilePath("\($0)/clang").exists }
        return isThere ? nil : "there is no clang in PATH to compile crash_points.c"
    }()

    /// Compiles what is loaded into the daemon.
    ///
    /// - Parameters:
    ///   - root: Where to keep it, and the steps that were tried.
    ///   - share: Try only one step in so many.
    ///   - seed: Which ones.
    /// - Throws: What the compiler says, and errors of the system.
    init(in root: FilePath, share: Int, seed: UInt64) async throws {
        let source = FilePath(#filePath).removingLastComponent().appending("CrashPoints/crash_points.c")
        let library = root.appending("crash_points.so")
        let compiler = try await run(
            .name("clang"),
            arguments: ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", library.string, source.string],
            output: .string(limit: 1 << 16), error: .combinedWithOutput)
        guard compiler.terminationStatus.isSuccess else { throw NotCompiled(reason: compiler.standardOutput) }
        steps = root.appending("steps")
        // Sanitizers have a library of their own.
        let others = ProcessInfo.processInfo.environment["LD_PRELOAD"].map { ":\($0)" } ?? ""
        environment = [
            "LD_PRELOAD": "\(library)\(others)", "CRASH_STEPS": steps.string, "CRASH_SHARE": "\(share)",
            "CRASH_SEED": "\(seed)",
        ]
    }

    /// At how many steps it was killed.
    var count: Int {
        get throws { steps.exists ? try DurableFile.read(steps).count / MemoryLayout<UInt64>.size : 0 }
    }

    private struct NotCompiled: Error {
        let reason: String
    }
}
