// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import Subprocess
import SystemPackage
import Testing

/// Tests that skip themselves on kernels without quotas, NFS or CIFS, in an emulated machine whose kernel has them.
@Suite(.serialized, .timeLimit(.minutes(30)), .needsVirtualMachine)
struct VirtualMachineTests {
    @Test(.needs("mkfs.ext4", "mkfs.xfs", "setpriv", "chattr"))
    func projectQuotas() async throws {
        try await expectPass(
            "ProjectQuotaTests", "ProjectQuotaTreeTests", "DirectoryQuotaTests", "QuotaConformanceTests")
    }

    @Test(.needs("mount.nfs", "rpc.nfsd", "rpc.mountd", "exportfs"))
    func mountsOfNFS() async throws {
        try await expectPass("NFSMountTests")
    }

    @Test(.needs("mount.cifs", "smbd", "smbpasswd"))
    func mountsOfCIFS() async throws {
        try await expectPass("CIFSMountTests")
    }

    /// Runs suites of this very test bundle there; all of their tests are to run.
    private func expectPass(_ suites: String..., sourceLocation: SourceLocation = #_sourceLocation) async throws {
        // In an identifier the suite follows its module: MobyFSHostTests.ProjectQuotaTests/…
        let filter = suites.map { "[.]\($0)/" }.joined(separator: "|")
        let result = try await run(
            .path(VirtualMachine.tool),
            arguments: [
                "run", "-t", "1200", RunningDaemon.testBundle.string, "--testing-library", "swift-testing", "--filter",
                filter,
            ],
            // Emulated processors are slow, and more at once only keep each other waiting.
            environment: .inherit.updating(["SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH": "2"]),
            output: .string(limit: 16 << 20), error: .combinedWithOutput)
        let lines = result.standardOutput.split(whereSeparator: \.isNewline)
        for line in lines where line.hasPrefix("✘") || line.contains(" skipped: ") {
            Issue.record("\(line)", sourceLocation: sourceLocation)
        }
        #expect(
            result.terminationStatus == .exited(0), "\(lines.suffix(20).joined(separator: "\n"))",
            sourceLocation: sourceLocation)
        for suite in suites {
            let hasPassed = lines.contains { $0.hasPrefix("✔ Suite \(suite) passed") }
            #expect(hasPassed, "\(suite) has not run", sourceLocation: sourceLocation)
        }
    }

    @Test func handsOnOutputStatusFolderAndEnvironment() async throws {
        let script = "pwd; echo \"$MOBYFS_TEST 'quoted'\"; echo aside >&2; touch here; exit 7"
        let result = try await run(
            .path(VirtualMachine.tool), arguments: ["run", "-t", "300", "sh", "-c", script],
            environment: .inherit.updating(["MOBYFS_TEST": "two words"]), workingDirectory: "/usr/share",
            output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
        #expect(result.terminationStatus == .exited(7))
        #expect(result.standardOutput == "/usr/share\ntwo words 'quoted'\n")
        #expect(result.standardError == "aside\n")
        // What it wrote is gone with it.
        #expect(!FilePath("/usr/share/here").exists)
    }

    @Test func stopsWhatTakesTooLong() async throws {
        let result = try await run(
            .path(VirtualMachine.tool), arguments: ["run", "-t", "1", "true"], output: .discarded,
            error: .string(limit: 1 << 20))
        #expect(result.terminationStatus == .exited(124))
        #expect(result.standardError == "virtual-machine: stopped after 1 seconds\n")
    }
}

private enum VirtualMachine {
    static let tool = FilePath(#filePath).removingLastComponent().removingLastComponent()
        .appending("testbed/virtual-machine")

    /// What this machine lacks for it, in words; nil when it has all.
    ///
    /// The kernel is fetched here, where it is missing.
    static let lack = Task { () -> String? in
        do {
            let missing = try await run(
                .path(tool), arguments: ["missing"], output: .string(limit: 1 << 16), error: .discarded)
            let things = missing.standardOutput.split(whereSeparator: \.isNewline)
            guard things.isEmpty else { return "this host lacks \(things.joined(separator: ", "))" }
            let prepared = try await run(
                .path(tool), arguments: ["prepare"], output: .discarded, error: .string(limit: 1 << 20))
            guard prepared.terminationStatus != .exited(0) else { return nil }
            return "\(prepared.standardError.split(whereSeparator: \.isNewline).last ?? "its kernel cannot be had")"
        } catch {
            return "\(error)"
        }
    }
}

extension Trait where Self == ConditionTrait {
    fileprivate static var needsVirtualMachine: Self {
        .enabled("a machine with Debian's kernel cannot be started (Tests/testbed/virtual-machine prepare)") {
            await VirtualMachine.lack.value == nil
        }
    }

    fileprivate static func needs(_ programs: String...) -> Self {
        let missing = programs.filter { HelperProgram($0, package: $0).locate() == nil }
        return .enabled(if: missing.isEmpty, "not installed: \(missing.joined(separator: ", "))")
    }
}
