// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import SystemPackage

/// A throw-away Debian host with systemd as PID 1 and a Docker Engine, run by the test bed's `legacy-host`.
struct EngineHost: Sendable {
    /// The host of this run, set while ``BootedHost`` keeps one up.
    @TaskLocal static var booted: EngineHost?

    /// The host of this run; every command on it fails in a suite outside ``EngineTests``, which has none.
    static var shared: EngineHost { booted ?? EngineHost(name: "eng-none") }

    /// No command in a host takes longer, but for boots.
    private static let limitSeconds = 150

    let name: String

    // MARK: Life of a host

    /// A new host, named after this process so that several runs do not meet.
    ///
    /// - Parameter label: What tells it from others of this run; nil for the one that most tests share.
    /// - Returns: The host, up.
    /// - Throws: ``CommandFailure`` if it does not come up.
    static func boot(_ label: String? = nil) async throws -> EngineHost {
        let host = EngineHost(name: "eng-\(getpid())" + (label.map { "-\($0)" } ?? ""))
        try await tool("boot", host.name, EngineRequirements.suite)
        return host
    }

    /// Destroys the hosts of runs that ended before they could do it themselves.
    static func destroyLeftovers() async throws {
        for line in try await tool("list").lines {
            guard let name = line.split(separator: " ").first, name.hasPrefix("eng-"),
                let pid = Int32(name.dropFirst("eng-".count).prefix { $0 != "-" }), kill(pid, 0) != 0, errno == ESRCH
            else { continue }
            try await tool("destroy", String(name))
        }
    }

    func destroy() async throws {
        try await Self.tool("destroy", name)
    }

    /// A clean reboot; returns when the host is up again.
    func reboot() async throws {
        try await Self.tool("reboot", name)
    }

    /// Pulls the plug, which loses what is not on the disk, and boots again.
    func cutPower() async throws {
        try await Self.tool("kill", name)
        try await Self.tool("boot", name)
    }

    // MARK: Commands and files

    /// Runs a program in the host to its end; how it ended is up to the caller.
    func attempt(_ command: [String]) async throws -> CommandOutput {
        let output = try await runCommand(
            Self.shell, [Self.script, "exec", name, "timeout", "-k", "5", "\(Self.limitSeconds)"] + command)
        return CommandOutput(
            command: command.joined(separator: " "), exitCode: output.exitCode,
            standardOutput: output.standardOutput, standardError: output.standardError)
    }

    /// Runs a program in the host and gives its standard output; throws with the standard error when it fails.
    @discardableResult
    func run(_ command: String...) async throws -> String {
        try await attempt(command).get()
    }

    /// Runs a bash script in the host, which ends at the first command that fails.
    @discardableResult
    func bash(_ script: String) async throws -> String {
        try await attempt(["bash", "-euo", "pipefail", "-c", script]).get()
    }

    func copyIn(_ source: FilePath, to destination: String) async throws {
        try await Self.tool("copy", name, source.string, destination)
    }

    /// Whether there is anything of that name in the host, whatever it is.
    func exists(_ path: String) async throws -> Bool {
        try await attempt(["test", "-e", path, "-o", "-L", path]).succeeded
    }

    func read(_ path: String) async throws -> String {
        try await run("cat", path)
    }

    func write(_ text: String, to path: String) async throws {
        try await run("bash", "-ec", "mkdir -p \"$(dirname \"$1\")\"; printf %s \"$2\" >\"$1\"", "-", path, text)
    }

    /// The names in a folder; none when there is no such folder.
    func names(in folder: String) async throws -> [String] {
        try await exists(folder) ? run("ls", "-A", folder).lines : []
    }

    /// Writes the host's journal beside the build, for a look after the run.
    func keepJournal() async {
        let path = EngineRequirements.report(named: "engine-tests-journal.txt")
        do {
            let text = try await bash("journalctl --no-pager -o short-precise -u 'mobyfs*' -u 'docker*'")
            try text.write(toFile: path.string, atomically: false, encoding: .utf8)
        } catch {
            print("the journal of the engine tests was not kept: \(error)")
        }
    }

    // MARK: The tool

    private static let shell: FilePath = "/bin/bash"
    private static let script = EngineRequirements.tool.string

    @discardableResult
    private static func tool(_ arguments: String...) async throws -> String {
        try await runCommand(shell, [script] + arguments).get()
    }
}
