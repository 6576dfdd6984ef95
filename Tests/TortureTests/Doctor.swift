// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSTesting
import Subprocess
import SystemPackage

/// What `mobyfs doctor` says of a daemon's pool.
struct Doctor: Sendable {
    struct Finding: Sendable {
        let kind: String
        /// The volume that it is about.
        let name: String
        let reason: String
        let isRepairable: Bool
        let isRepaired: Bool
        let failure: String?
    }

    let status: Int32
    let findings: [Finding]
    let complaints: String

    /// Runs it for the daemon that has its folders here.
    static func run(_ arguments: String..., in root: FilePath) async throws -> Doctor {
        let result = try await Subprocess.run(
            .path(RunningDaemon.binary),
            arguments: Arguments(
                ["doctor", "--format", "json", "--config", "/dev/null", "--runtime-dir", "\(root)/run"] + arguments),
            // As it is configured, so that nothing of this machine's own is told.
            environment: .inherit.updating([
                "MOBYFS_DATA_DIR": "\(root)/data", "MOBYFS_SPEC_DIR": "\(root)/docker/plugins",
            ]), output: .string(limit: 1 << 26), error: .string(limit: 1 << 20))
        guard case .exited(let status) = result.terminationStatus else { throw CancellationError() }
        guard case .array(let values) = try JSONValue(parsing: Array(result.standardOutput.utf8)) else {
            throw CancellationError()
        }
        let findings = values.map { value in
            Finding(
                kind: value["kind"]?.string ?? "",
                name: String((value["subject"]?.string ?? "").prefix { $0 != "/" && $0 != "@" }),
                reason: value["reason"]?.string ?? "", isRepairable: value["repairable"] == .bool(true),
                isRepaired: value["repaired"] == .bool(true), failure: value["failure"]?.string)
        }
        return Doctor(status: status, findings: findings, complaints: result.standardError)
    }
}
