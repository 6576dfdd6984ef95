// SPDX-License-Identifier: Apache-2.0

import DockerPluginServer
import Logging
import MobyFSHost
import MobyFSVolumes
import ServiceLifecycle
import Systemd

/// A service with its name: the group would else put one together of all that the service is made of, at each start.
struct NamedService: Service, CustomStringConvertible {
    let description: String
    private let service: any Service

    init(_ name: String, _ service: any Service) {
        description = name
        self.service = service
    }

    func run() async throws { try await service.run() }
}

/// Finds out now and then which holders are gone, and whether a pool that was not there is back.
///
/// After each round memory is given back: that of code which only the round needed, and at first the start, and what a
/// crowd of clients has left.
struct HousekeepingService: Service {
    private static let interval = Duration.seconds(10)
    /// How long after the first round the start is over, too.
    private static let settling = Duration.seconds(1)

    let volumes: VolumeManager
    let locks: [FolderLock]

    func run() async throws {
        await cancelWhenGracefulShutdown {
            // The first calls have a processor to themselves.
            await volumes.awaitDataSearch()
            if !Task.isCancelled { await keepHouse() }
            // Both waits are cancelled at the end.
            try? await Task.sleep(for: Self.settling)
            ProgramCode.release()
            while (try? await Task.sleep(for: Self.interval)) != nil {
                await keepHouse()
                ProgramCode.release()
                Heap.release()
            }
            await volumes.remember()
        }
    }
}

extension HousekeepingService {
    private func keepHouse() async {
        for lock in locks { await follow(lock) }
        await volumes.checkPool()
        await volumes.checkCondition()
        await volumes.remember()
        await volumes.refreshThoroughly()
        await volumes.releaseAbandoned()
        await volumes.unmountIdle()
        await volumes.discardAbandonedDrafts()
        await volumes.discardLeftovers()
    }

    private func follow(_ lock: FolderLock) async {
        do {
            try await lock.follow()
        } catch {
            // Said by whoever asks for a volume of it, and by the status.
            volumes.forgetPlace()
        }
    }
}

/// Deletes removed volumes in the background, some at once and some when their time in the trash is up.
struct TrashService: Service {
    /// The shortest time that a volume can be asked to stay there.
    private static let interval = Duration.seconds(60)

    let volumes: VolumeManager

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask(executorPreference: BlockingWork.executor) { await volumes.emptyTrash() }
                group.addTask {
                    // Cancelled at the end.
                    while (try? await Task.sleep(for: Self.interval)) != nil { volumes.expireTrash() }
                }
            }
        }
    }
}

/// Keeps the line in `systemctl status` up to date.
struct StatusService: Service {
    let systemd: ServiceManager
    let volumes: VolumeManager
    let status: StatusLine

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var last = ""
            for await _ in volumes.changeEvents {
                let line = status.description
                if line != last { systemd.status(line) }
                last = line
                // A burst of changes is told once. Cancelled at the end.
                try? await Task.sleep(for: .milliseconds(200))
            }
        }
    }
}

/// Tells systemd that the daemon is alive, as long as a request to its own socket is answered.
struct WatchdogService: Service {
    let systemd: ServiceManager
    let server: PluginServer
    let logger: Logger

    func run() async throws {
        guard let interval = systemd.watchdogInterval else {
            // The wait ends with the daemon, and so needs no answer.
            try? await gracefulShutdown()
            return
        }
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                // Starting has its own limit. Cancelled at the end.
                try? await Task.sleep(for: interval / 4)
                if Task.isCancelled { return }
                if await server.answers(within: interval / 4) {
                    systemd.alive()
                } else {
                    logger.error("the daemon does not answer itself", metadata: ["limit": "\(interval / 4)"])
                }
                // Nobody else has a use for what a client needs.
                ProgramCode.release()
            }
        }
    }
}
