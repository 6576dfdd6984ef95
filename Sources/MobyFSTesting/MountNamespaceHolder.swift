// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
package import SystemPackage
import Testing

/// A process that has a directory mounted in a place of its own, whatever becomes of it here, as a container does.
package struct MountNamespaceHolder: Sendable {
    package let processID: Int32

    /// Starts one, and waits until it has the directory.
    ///
    /// - Parameters:
    ///   - directory: The directory.
    ///   - place: A folder that is there, and shows the directory to that process alone.
    /// - Returns: The process.
    /// - Throws: `HelperError`, or ``NotInTime`` if it does not come to have it.
    package static func start(_ directory: FilePath, at place: FilePath) async throws -> MountNamespaceHolder {
        let script = """
            unshare --mount --propagation private sh -euc 'mount --bind "$0" "$1"; exec sleep 300' '\(directory)' '\(place)' \
                </dev/null >/dev/null 2>&1 &
            echo -n $!
            """
        let output = try await HelperProgram("sh", package: "dash").run(["-euc", script], until: .now + .seconds(20))
        guard let processID = Int32(output) else { throw NotInTime(description: "no process: '\(output)'") }
        try await eventually("it has the directory") {
            try MountTable(ofProcess: "\(processID)").entries.contains { $0.mountpoint == place }
        }
        return MountNamespaceHolder(processID: processID)
    }

    /// Ends it.
    package func end() { kill(processID, SIGKILL) }
}
