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
        let sources = Configuration.Sources(flags: [:], environment: ProcessInfo.processInfo.environment, file: nil)
        return try Configuration(from: sources).specDirectory.string
    }

    /// What installs there, and in the engine that `DOCKER_HOST` names.
    func installer() throws -> PluginInstaller {
        PluginInstaller(
            managed: try ManagedPlugins(environment: ProcessInfo.processInfo.environment),
            specDirectory: try directory())
    }
}
