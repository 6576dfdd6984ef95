// SPDX-License-Identifier: Apache-2.0

import MobyFSDaemon
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// A daemon whose mounts nobody sees.
@Suite(
    .enabled(
        if: Machine.isRoot && MountNamespaces.isThatOfTheHost != nil,
        "a mount namespace needs root, and that of process 1 has to be seen"))
struct MountVisibilityTests {
    private static let isolation = ["unshare", "--mount", "--propagation", "private"]
    /// As systemd says it to what it starts itself.
    private static let asService = ["/bin/sh", "-c", #"SYSTEMD_EXEC_PID=$$ exec "$@""#, "sh"]

    @Test(arguments: [(asService + isolation, true), (isolation, false)])
    func isToldOfWhereSystemdHasCutTheDaemonOff(launcher: [String], isTold: Bool) async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root, launcher: launcher) { daemon in
                let answer = try await Wire(daemon.runtime.appending("control.sock"))
                    .exchange(Wire.post("/Control.Diagnose", "{}"))
                let body = answer.firstRange(of: "\r\n\r\n").map { answer[$0.upperBound...] } ?? ""
                let findings = try Diagnose.answer(decoding: Array(body.utf8)).findings
                    .filter { $0.kind == "namespace" }
                #expect(findings.count == (isTold ? 1 : 0))
                #expect(findings.allSatisfy { $0.advice.contains("PrivateTmp=") && !$0.isRepairable })
                let log = try daemon.output
                #expect(log.contains("engines do not see what it mounts") == isTold, "\(log)")
            }
        }
    }
}
