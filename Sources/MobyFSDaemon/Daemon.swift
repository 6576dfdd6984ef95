// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginServer
import Glibc
import Logging
import MobyFSDrivers
import MobyFSHost
import MobyFSVolumes
import ServiceLifecycle
import SystemPackage
import Systemd
import UnixSignals

/// The daemon: wires configuration, volumes and server together and runs until it is told to stop.
package struct Daemon: Sendable {
    package static let version = "0.1.0"

    /// Under this name connections that are still open wait with systemd for the daemon's next process.
    private static let handedOverName = "connection"

    private let sources: Configuration.Sources

    /// - Parameter sources: Where the configuration is, and is to be read again on SIGHUP.
    package init(_ sources: Configuration.Sources) {
        self.sources = sources
    }

    /// Runs until SIGTERM or SIGINT, and unmounts nothing at the end.
    package func run() async throws {
        // Until it is listened for, a request to reload must not end the process.
        signal(SIGHUP, SIG_IGN)
        let configuration = try Configuration(from: sources)
        let log = DaemonLog(level: configuration.logLevel)
        let logger = log.logger("mobyfs")
        let systemd = ServiceManager()
        let passed = try PassedSocket.takeAll()

        let locks = try [
            lock(configuration.dataDirectory, flag: "--data-dir", logger),
            lock(configuration.runtimeDirectory, flag: "--runtime-dir", logger),
        ]
        let volumes = VolumeManager(
            root: configuration.dataDirectory, runtimeDirectory: configuration.runtimeDirectory,
            drivers: [DirectoryDriver(reserved: configuration.ownDirectories)], logger: logger)
        await volumes.load()

        var server = PluginServer.Configuration(listeners: try listeners(configuration, passed))
        server.connections = passed.filter { !$0.isListening }.map(\.descriptor)
        if systemd.isPresent {
            server.handOver = { descriptor in
                systemd.store(descriptor, name: Self.handedOverName)
                // The manager has a copy of its own by now.
                try? FileDescriptor(rawValue: descriptor).close()
            }
        }
        let pluginServer = PluginServer(
            server, subsystems: [VolumeSubsystem(MobyFSPlugin(volumes: volumes, logger: logger))], logger: logger)
        let announcement = Announcement(
            configuration: configuration, systemd: systemd, volumes: volumes, logger: logger)
        let services: [any Service] = [
            ServingService(
                server: pluginServer, announcement: announcement,
                takenOver: { systemd.removeStored(name: Self.handedOverName) },
                stopped: {
                    // What was handed over is with the manager before this process ends.
                    await BlockingWork.run { systemd.flush() }
                    logger.notice("stopped; volumes stay as they are")
                    // Whatever still goes on, purging or waiting for a disk, may be cut off at any moment; engines
                    // are waiting for the next process.
                    exit(EXIT_SUCCESS)
                }),
            HousekeepingService(volumes: volumes),
            TrashService(volumes: volumes),
            StatusService(systemd: systemd, volumes: volumes),
            WatchdogService(systemd: systemd, server: pluginServer, logger: logger),
            ReloadService(
                sources: sources, configuration: configuration, log: log, systemd: systemd, volumes: volumes,
                logger: logger),
        ]
        let group = ServiceGroupConfiguration(
            services: services.map { .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup) },
            gracefulShutdownSignals: [.sigterm, .sigint], logger: log.logger("services", atLeast: .notice))
        try await ServiceGroup(configuration: group).run()
        withExtendedLifetime(locks) {}
    }

    /// Makes sure that no other daemon works in the same folder.
    ///
    /// A folder that is not there cannot be worked in, and needs no lock.
    private func lock(
        _ directory: FilePath, flag: String, _ logger: Logger
    ) throws -> DirectoryLock? {
        do {
            try Directories.create(directory, mode: 0o711)
            return try DirectoryLock(directory)
        } catch let held as DirectoryLock.Held {
            let holder = held.processID.map { "process \($0)" } ?? "a process"
            throw ConfigurationError(
                "\(holder) serves volumes with '\(held.path)' already: stop it, or choose another folder with \(flag)")
        } catch {
            logger.error("a folder cannot be used", metadata: ["error": "\(error)", "flag": "\(flag)"])
            return nil
        }
    }

    /// Sockets that were passed; else the unix socket, unless only a port was asked for; and the port.
    private func listeners(_ configuration: Configuration, _ passed: [PassedSocket]) throws -> [Listener] {
        var listeners = passed.filter(\.isListening).map { Listener.descriptor($0.descriptor) }
        if listeners.isEmpty, configuration.socket != nil || configuration.port == nil {
            let path = configuration.socket ?? configuration.runtimeDirectory.appending("mobyfs.sock")
            try Directories.create(path.removingLastComponent(), mode: 0o755)
            listeners.append(.unix(path: path.string))
        }
        if let port = configuration.port { listeners.append(.tcp(host: "127.0.0.1", port: port)) }
        return listeners
    }
}
