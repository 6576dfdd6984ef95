// SPDX-License-Identifier: Apache-2.0

import DockerPluginServer
import Logging
import ServiceLifecycle
import Synchronization
import Systemd

/// Serves the engine, and the command line beside it.
struct ServingService: Service {
    let servers: [PluginServer]
    /// Serves the command line; nil for a daemon that none calls.
    let control: ControlServer?
    let announcement: Announcement
    /// Called when connections of the process before are taken over.
    let takenOver: @Sendable () -> Void
    /// Called when nothing is served any more.
    let stopped: @Sendable () async -> Void

    func run() async throws {
        let listening = Gathering(count: servers.count + (control == nil ? 0 : 1))
        // Whoever is told that the daemon is ready may call it by either way at once.
        let began: @Sendable ([String]) -> Void = { addresses in
            guard let all = listening.add(addresses) else { return }
            takenOver()
            announcement.serving(on: all)
        }
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup { group in
                for server in servers {
                    group.addTask { try await server.run { addresses in began(addresses) } }
                }
                if let control { group.addTask { await control.run { began([]) } } }
                // Not waitForAll(): it would wait for the others where one cannot listen.
                while try await group.next() != nil {}
            }
        } onGracefulShutdown: {
            announcement.systemd.stopping()
        }
        await stopped()
    }
}

/// Collects the addresses of several servers until all have begun to listen.
private final class Gathering: Sendable {
    private let state: Mutex<(missing: Int, addresses: [String])>

    init(count: Int) {
        state = Mutex((count, []))
    }

    /// Returns all addresses to the last one that adds some, and nil to the others.
    func add(_ addresses: [String]) -> [String]? {
        state.withLock { state in
            state.missing -= 1
            state.addresses += addresses
            return state.missing == 0 ? state.addresses : nil
        }
    }
}
