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
    private let isManaged: Bool

    /// - Parameters:
    ///   - sources: Where the configuration is, and is to be read again on SIGHUP.
    ///   - isManaged: Whether an engine runs this as a managed plugin, in a root folder of its own in which only the
    ///     data folder is the host's, at the same path.
    package init(_ sources: Configuration.Sources, isManaged: Bool = false) {
        self.sources = sources
        self.isManaged = isManaged
    }

    /// Runs until SIGTERM or SIGINT, and unmounts nothing at the end.
    package func run() async throws {
        // Until it is listened for, a request to reload must not end the process.
        signal(SIGHUP, SIG_IGN)
        let configuration = try Configuration(from: sources)
        let log = DaemonLog(level: configuration.logLevel, isManaged: isManaged)
        let logger = log.logger("mobyfs")
        let systemd = ServiceManager()
        let descriptors = DescriptorLimit()
        let passed = try PassedSocket.takeAll()

        if isManaged { try requireHostFolder(configuration.dataDirectory) }
        let visibility = MountVisibility(systemd: systemd, isManaged: isManaged)
        if let finding = visibility.finding {
            logger.error(
                "volumes that are mounted are of no use",
                metadata: ["error": "\(finding.reason)", "advice": "\(finding.advice)"])
        }
        let takeover = Takeover(mounts: configuration.runtimeDirectory.appending("mounts"), logger: logger)
        let access = FolderAccess(data: configuration.dataDirectory)
        let sharing = try await PoolSharing(configuration: configuration, isManaged: isManaged, logger: logger).make()
        let dataLock = FolderLock(
            configuration.dataDirectory, flag: "--data-dir", isShared: sharing != nil, access, takeover, logger)
        let locks = [
            dataLock, FolderLock(configuration.runtimeDirectory, flag: "--runtime-dir", access, takeover, logger),
        ]
        for lock in locks { try await lock.take() }
        let volumes = volumes(configuration, sharing, logger) { try await dataLock.claim() }
        // Nobody is answered before.
        async let load: Void = {
            await volumes.recall()
            await volumes.loadIfNeeded()
        }()
        let tls = try await checkedCertificates(configuration, volumes)
        var handOver: (@Sendable (CInt) -> Void)?
        if systemd.isPresent { handOver = { descriptor in Self.handOver(descriptor, to: systemd) } }
        let plan = Servers(
            configuration: configuration, tls: tls, volumes: volumes, isManaged: isManaged, passed: passed,
            handOver: handOver, descriptors: descriptors, logger: logger)
        let servers = try plan.make()
        let status = StatusLine(volumes: volumes, tls: tls, insecure: configuration.insecure)
        let announcement = Announcement(
            configuration: configuration, greets: !systemd.isPresent && !isManaged, systemd: systemd, volumes: volumes,
            status: status, logger: logger)
        let services: [NamedService] = [
            NamedService(
                "serving",
                ServingService(
                    servers: servers,
                    control: isManaged
                        ? nil
                        : ControlServer(
                            socket: configuration.controlSocket, volumes: volumes,
                            findings: [visibility.finding].compactMap { $0 },
                            connectionLimit: descriptors.forCommandLine, logger: logger),
                    announcement: announcement,
                    takenOver: { systemd.removeStored(name: Self.handedOverName) },
                    stopped: {
                        // What was handed over is with the manager before this process ends.
                        await BlockingWork.run { systemd.flush() }
                        await volumes.leavePool()
                        logger.notice("stopped; volumes stay as they are")
                        await BlockingWork.run { log.flush() }
                        // Whatever still goes on, purging or waiting for a disk, may be cut off at any moment; engines
                        // are waiting for the next process.
                        exit(EXIT_SUCCESS)
                    })),
            NamedService("housekeeping", HousekeepingService(volumes: volumes, locks: locks)),
            NamedService("trash", TrashService(volumes: volumes)),
            NamedService("status", StatusService(systemd: systemd, volumes: volumes, status: status)),
            NamedService(
                "certificates", CertificateService(tls: tls, systemd: systemd, status: status, logger: logger)),
            NamedService("watchdog", WatchdogService(systemd: systemd, server: servers[0], logger: logger)),
            NamedService(
                "reload",
                ReloadService(
                    sources: sources, configuration: configuration, log: log, systemd: systemd, tls: tls,
                    status: status, logger: logger)),
        ]
        await load
        let group = ServiceGroupConfiguration(
            services: services.map { .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup) },
            gracefulShutdownSignals: [.sigterm, .sigint], logger: log.logger("services", atLeast: .notice))
        try await ServiceGroup(configuration: group).run()
    }

    /// Makes sure that a daemon could start with the configuration, as far as that can be said without starting one.
    ///
    /// - Throws: ``ConfigurationError``.
    package func check() async throws {
        let configuration = try Configuration(from: sources)
        let logger = DaemonLog(level: .critical, isManaged: isManaged).logger("mobyfs")
        let sharing = try await PoolSharing(configuration: configuration, isManaged: isManaged, logger: logger).make()
        _ = try await checkedCertificates(configuration, volumes(configuration, sharing, logger))
    }

    /// The volumes, not read yet.
    private func volumes(
        _ configuration: Configuration, _ sharing: SharedPool?, _ logger: Logger,
        claim: @escaping @Sendable () async throws -> Void = {}
    ) -> VolumeManager {
        let memory = ServiceManager().cacheDirectory.map { VolumeMemory(in: FilePath($0)) }
        return VolumeManager(
            root: configuration.dataDirectory, runtimeDirectory: configuration.runtimeDirectory,
            drivers: BuiltInDrivers.all(reserved: configuration.ownDirectories, seesHost: !isManaged),
            seesHost: !isManaged, sharing: sharing, memory: memory, logger: logger, claim: claim)
    }

    /// Checks what the settings themselves do not show: the options of further names, and the certificates.
    ///
    /// - Returns: The certificates; nil without TLS.
    private func checkedCertificates(
        _ configuration: Configuration, _ volumes: VolumeManager
    ) async throws -> ServerTLS? {
        for name in configuration.names { try await check(name, volumes) }
        return try configuration.tls.map { try loadCertificates($0.serverFiles) }
    }

    /// Makes sure that what a managed plugin keeps is not in the plugin's own folder, which the engine deletes.
    private func requireHostFolder(_ directory: FilePath) throws {
        guard try !MountTable().entries.contains(where: { $0.mountpoint == directory }) else { return }
        throw ConfigurationError(
            "'\(directory)' is no folder of the host, and would be deleted with the plugin: bind the host's folder "
                + "there, as \"mounts\" in the config.json of mobyfs does")
    }

    private func loadCertificates(_ files: ServerTLS.Files) throws(ConfigurationError) -> ServerTLS {
        do {
            return try ServerTLS(files)
        } catch {
            throw ConfigurationError("TLS: \(error)")
        }
    }

    /// Makes sure that volumes can be created with the options of a further name.
    private func check(_ name: ServedName, _ volumes: VolumeManager) async throws {
        do {
            try await volumes.check(name.defaults)
        } catch let error as VolumeError {
            throw ConfigurationError("\(Setting.names.rawValue), options of '\(name.name)': \(error.message)")
        }
    }

    private static func handOver(_ descriptor: CInt, to systemd: ServiceManager) {
        systemd.store(descriptor, name: handedOverName)
        // The manager has a copy of its own by now.
        try? FileDescriptor(rawValue: descriptor).close()
    }
}
