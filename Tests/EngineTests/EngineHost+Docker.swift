// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

extension EngineHost {
    /// Runs the docker command line and gives its standard output; throws with the standard error when it fails.
    @discardableResult
    func docker(_ arguments: String...) async throws -> String {
        try await attemptDocker(arguments).get()
    }

    func attemptDocker(_ arguments: [String]) async throws -> CommandOutput {
        try await attempt(["docker"] + arguments)
    }

    // MARK: Volumes

    /// Makes a volume; the options and labels are as `docker volume create` takes them.
    func createVolume(_ name: String, options: [String] = [], labels: [String] = []) async throws {
        let arguments =
            ["volume", "create", "-d", "mobyfs"] + options.flatMap { ["-o", $0] } + labels.flatMap { ["--label", $0] }
        _ = try await attemptDocker(arguments + [name]).get()
    }

    func inspectVolume(_ name: String) async throws -> VolumeInspection {
        try VolumeInspection(reply: try await docker("volume", "inspect", name))
    }

    /// The engine's volumes of mobyfs.
    func volumeNames() async throws -> [String] {
        try await docker("volume", "ls", "-q", "-f", "driver=mobyfs").lines
    }

    // MARK: Containers

    /// Runs a shell script in a container that is removed when the script ends, and gives what it printed.
    ///
    /// `volumes` are as `-v` takes them: no name of one letter, which the command line takes for a Windows drive.
    /// `options` are further ones of `docker run`.
    @discardableResult
    func inContainer(
        _ script: String, volumes: String..., options: [String] = [], image: String = "bb:1"
    ) async throws -> String {
        let arguments = ["run", "--rm"] + Self.common(volumes) + options
        return try await attemptDocker(arguments + [image, "sh", "-c", script]).get()
    }

    /// Starts a container and leaves it running; it dies at once when it is stopped.
    func start(
        _ container: String, _ script: String = "exec sleep 1000000", volumes: String..., options: [String] = []
    ) async throws {
        let arguments = ["run", "-d", "--name", container, "--stop-signal", "KILL"] + Self.common(volumes) + options
        _ = try await attemptDocker(arguments + ["bb:1", "sh", "-c", script]).get()
    }

    /// Runs a shell script in a running container.
    @discardableResult
    func exec(_ container: String, _ script: String) async throws -> String {
        try await docker("exec", container, "sh", "-c", script)
    }

    /// Waits until the engine has started a container again whose script adds a line to `/data/log` at each start.
    func waitUntilStartedAgain(_ container: String) async throws {
        try await eventually("'\(container)' runs again") {
            guard try await isRunning(container) else { return false }
            return try await exec(container, "cat /data/log").lines.count == 2
        }
    }

    /// The pid of a running container's first process as the host sees it.
    func processID(of container: String) async throws -> Int {
        Int(try await docker("inspect", "-f", "{{.State.Pid}}", container)) ?? 0
    }

    func isRunning(_ container: String) async throws -> Bool {
        try await docker("inspect", "-f", "{{.State.Running}}", container) == "true"
    }

    /// What the host mounts for a container, one line of `mountinfo` for each mountpoint asked for.
    func mount(at mountpoint: String, in container: String) async throws -> String {
        let pid = try await processID(of: container)
        return try await run("awk", "-v", "m=\(mountpoint)", "$5 == m", "/proc/\(pid)/mountinfo")
    }

    private static func common(_ volumes: [String]) -> [String] {
        ["--network", "none", "--volume-driver", "mobyfs"] + volumes.flatMap { ["-v", $0] }
    }

    // MARK: The engine itself

    func engineProcessID() async throws -> Int {
        try await property("MainPID", of: "docker.service")
    }

    func restartEngine() async throws {
        // systemd starts the engine three times a minute and then no more, unless its count is reset.
        try await bash("systemctl reset-failed docker.service; systemctl restart docker.service")
    }

    /// Kills the engine without warning; returns when systemd has started it again and it answers.
    func killEngine() async throws {
        let old = try await engineProcessID()
        try await bash("systemctl reset-failed docker.service; systemctl kill -s KILL docker.service")
        try await eventually(within: .seconds(30), "the engine is back") {
            let new = try await engineProcessID()
            guard new != 0, new != old else { return false }
            return try await attemptDocker(["version"]).succeeded
        }
    }
}
