// SPDX-License-Identifier: Apache-2.0

import DockerPluginClient
import Glibc
import Synchronization
import SystemPackage

/// The person in front of the command line, if there is one.
enum Terminal {
    /// Whether somebody can be asked.
    static var isPresent: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 }

    /// Says something that is no data.
    static func say(_ text: String, end: String = "\n") {
        _ = try? FileDescriptor.standardError.writeAll((text + end).utf8)  // a closed stderr hears nothing
    }

    /// Asks a question; whatever is not clearly a yes is a no.
    static func confirm(_ question: String) -> Bool {
        say("\(question) [y/N]", end: " ")
        return ["y", "yes"].contains(readLine()?.lowercased() ?? "")
    }
}

/// How far the engine has come with fetching a plugin, in one line that is written over and over.
final class ProgressLine: Sendable {
    private let isShown = isatty(STDERR_FILENO) == 1
    private let parts = Mutex<[String: ManagedPluginProgress]>([:])

    func show(_ progress: ManagedPluginProgress) {
        guard isShown else { return }
        let (current, total) = parts.withLock { parts in
            if let part = progress.part { parts[part] = progress }
            // All that are at this stage: layers are fetched side by side.
            let alike = parts.values.filter { $0.status == progress.status }
            return (alike.reduce(0) { $0 + ($1.current ?? 0) }, alike.reduce(0) { $0 + ($1.total ?? 0) })
        }
        let bytes = total > 0 ? " \(current >> 10) of \(total >> 10) KiB" : ""
        Terminal.say("\r\u{1B}[K\(progress.status)\(bytes)", end: "")
    }

    func clear() {
        if isShown { Terminal.say("\r\u{1B}[K", end: "") }
    }
}
