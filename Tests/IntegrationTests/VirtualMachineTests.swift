// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MobyFSHost
import MobyFSTesting
import Subprocess
import SystemPackage
import Testing

/// Tests that need a kernel with quotas, NFS and CIFS, in an emulated machine that has Debian's.
@Suite(.timeLimit(.minutes(15)), .needsVirtualMachine)
struct VirtualMachineTests {
    /// Those that skip themselves where the kernel of this machine lacks what they are about.
    private static let suites = [
        "ProjectQuotaTests", "ProjectQuotaTreeTests", "DirectoryQuotaTests", "NFSMountTests", "CIFSMountTests",
    ]

    @Test func testsThatNeedAKernelOfTheirOwnPassInOne() async throws {
        let result = try await run(
            .path(VirtualMachine.tool),
            arguments: [
                "run", "-t", "600", try FilePath("/proc/self/exe").linkTarget, "--testing-library", "swift-testing",
                "--filter", Self.suites.joined(separator: "|"),
            ],
            // Emulated processors are slow, and more at once only wait for each other.
            environment: .inherit.updating(["SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH": "2"]),
            output: .string(limit: 16 << 20), error: .combinedWithOutput)
        let lines = result.standardOutput.split(whereSeparator: \.isNewline)
        for line in lines where line.hasPrefix("✘") { Issue.record("\(line)") }
        #expect(result.terminationStatus == .exited(0), "\(lines.suffix(40).joined(separator: "\n"))")
        for suite in Self.suites {
            let passed = lines.contains { $0.hasPrefix("✔ Suite \(suite) passed") }
            #expect(passed, "\(suite) has not run")
        }
        // A program that is not installed here is not there either; a feature of the kernel is.
        for line in lines where line.contains(" skipped: ") && !line.contains("installed") { Issue.record("\(line)") }
    }

    @Test func handsOnOutputStatusAndFolder() async throws {
        let result = try await run(
            .path(VirtualMachine.tool),
            arguments: [
                "run", "-t", "300", "sh", "-c",
                "pwd; echo \"$MOBYFS_TEST 'quoted'\"; echo on the side >&2; touch here; exit 7",
            ],
            environment: .inherit.updating(["MOBYFS_TEST": "two words"]), workingDirectory: "/usr/share",
            output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
        #expect(result.terminationStatus == .exited(7))
        #expect(result.standardOutput == "/usr/share\ntwo words 'quoted'\n")
        #expect(result.standardError == "on the side\n")
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
        .enabled("the machine with Debian's kernel cannot be started (Tests/testbed/virtual-machine missing)") {
            await VirtualMachine.lack.value == nil
        }
    }
}

extension FilePath {
    /// Where a symbolic link leads.
    fileprivate var linkTarget: String {
        get throws {
            try FileManager.default.destinationOfSymbolicLink(atPath: string)
        }
    }
}
