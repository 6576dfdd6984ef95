// SPDX-License-Identifier: Apache-2.0

import MobyFSTesting
import Subprocess
import SystemPackage

/// Runs the built binary to its end.
///
/// - Returns: The exit status, and what was printed on both outputs.
func runToEnd(_ arguments: [String]) async throws -> (status: Int32, output: String) {
    let result = try await run(
        .path(RunningDaemon.binary), arguments: Arguments(arguments), output: .string(limit: 1 << 20),
        error: .combinedWithOutput)
    let status: Int32 =
        switch result.terminationStatus {
        case .exited(let code): code
        case .signaled(let signal): 128 + signal
        }
    return (status, result.standardOutput)
}
