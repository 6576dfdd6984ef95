// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginClient
import FoundationEssentials
import MobyFSDaemon
import SystemPackage

/// Where engines look for spec files.
struct SpecPlace: ParsableArguments {
    @Option(help: "Where engines look. (default: as configured for the daemon)")
    var specDir: String?

    /// The folder that is meant.
    func directory() throws -> String {
        if let specDir { return AbsolutePath.of(specDir) }
        do {
            return try Configuration(from: Self.sources).specDirectory.string
        } catch let error as ConfigurationError {
            TerminalText.complain("mobyfs: \(error)")
            throw ExitCode.senseless
        }
    }

    /// The same, where the daemon's configuration may be of no use for anything else.
    func directoryAnyhow() -> String {
        if let specDir { return AbsolutePath.of(specDir) }
        return Configuration.specDirectory(in: Self.sources).string
    }

    private static var sources: Configuration.Sources {
        Configuration.Sources(flags: [:], environment: ProcessInfo.processInfo.environment, file: nil)
    }

    /// What installs there, and in the engine that `DOCKER_HOST` names.
    func installer() throws -> PluginInstaller {
        PluginInstaller(
            managed: try ManagedPlugins(environment: ProcessInfo.processInfo.environment),
            specDirectory: try directory())
    }
}
