// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// The disk image that all test hosts of a suite start from, made on first use.
enum BaseImage {
    static var isBuilt: Bool {
        let cache = EngineRequirements.environment["LEGACY_HOST_CACHE"] ?? "/var/cache/legacy-host"
        return EngineRequirements.exists(FilePath("\(cache)/\(EngineRequirements.suite).img"))
    }

    /// Whether the image is there, after an attempt to make it when it is not (about a minute, with a network).
    static func isReady() async -> Bool {
        await ready.value
    }

    private static let ready = Task {
        guard !isBuilt else { return true }
        say("making the base image of \(EngineRequirements.suite) for the engine tests, about a minute")
        do {
            let tool = EngineRequirements.tool
            _ = try await runCommand("/bin/bash", [tool.string, "build", EngineRequirements.suite]).get()
            return true
        } catch {
            say("no engine tests: \(error)")
            return false
        }
    }

    private static func say(_ text: String) {
        _ = (text + "\n").withCString { write(STDERR_FILENO, $0, strlen($0)) }
    }
}
