// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSTesting
import Testing

/// What becomes of a call whose client goes away: engines do, after one or two minutes.
@Suite struct DisconnectTests {
    /// A plugin whose mounts go on until they are cancelled or let go.
    private final class PatientPlugin: VolumePlugin {
        let mounting = AsyncStream<Void>.makeStream()
        let release = AsyncStream<Void>.makeStream()
        /// Of each mount that ended, whether it was cancelled.
        let ended = AsyncStream<Bool>.makeStream()
        let unmounted = AsyncStream<String>.makeStream()

        var scope: VolumeScope { .local }
        func create(_ name: String, options: [String: String]?) async throws {}
        func remove(_ name: String) async throws {}
        func mount(_ name: String, id: String, for engine: Caller) async throws -> String {
            mounting.continuation.yield()
            defer { ended.continuation.yield(Task.isCancelled) }
            // An error when the task is cancelled.
            if name == "interruptible" { try await Task.sleep(for: .seconds(3600)) }
            // Ends without an element when the task is cancelled.
            for await _ in release.stream { break }
            return "/m"
        }
        func unmount(_ name: String, id: String) async throws { unmounted.continuation.yield("\(name) \(id)") }
        func path(_ name: String) throws -> String { "/m" }
        func get(_ name: String) throws -> VolumeInfo { VolumeInfo(name: name) }
        func list() throws -> [VolumeInfo] { [] }
    }

    private func mount(_ name: String) -> String {
        Wire.post("/VolumeDriver.Mount", "{\"Name\":\"\(name)\",\"ID\":\"i\"}")
    }

    /// The plugin never lets the mount go: only the cancellation ends it.
    @Test(.timeLimit(.minutes(1)), arguments: [false, true])
    func cancelsTheCallAndTakesBackWhatItDidAllTheSame(overTCP: Bool) async throws {
        let plugin = PatientPlugin()
        try await withServer(plugin) { server in
            let wire = try server.connect(overTCP: overTCP)
            try wire.send(mount("v"))
            for await _ in plugin.mounting.stream { break }
            wire.close()
            for await wasCancelled in plugin.ended.stream {
                #expect(wasCancelled)
                break
            }
            for await unmounted in plugin.unmounted.stream {
                #expect(unmounted == "v i")
                break
            }
        }
    }

    /// The answer was on its way, and nobody was there to read it; who has read it keeps what it has.
    @Test(.timeLimit(.minutes(1)), arguments: [false, true])
    func takesBackWhatWasAnsweredAndNeverRead(isRead: Bool) async throws {
        let plugin = PatientPlugin()
        try await withServer(plugin) { server in
            let wire = try server.connect()
            try wire.send(mount("v"))
            plugin.release.continuation.yield()
            if isRead { _ = try await wire.receive() } else { try await wire.waitForAnswer() }
            wire.vanish()
            if isRead {
                // Served after the hang-up was seen.
                let next = try server.connect()
                let answer = try await next.exchange(Wire.post("/VolumeDriver.Unmount", #"{"Name":"w","ID":"i"}"#))
                #expect(answer.contains("200 OK"))
            }
            for await unmounted in plugin.unmounted.stream {
                #expect(unmounted == (isRead ? "w i" : "v i"))
                break
            }
        }
    }

    /// A mount that ended with an error is none: there is nothing to take back.
    @Test(.timeLimit(.minutes(1)))
    func takesNothingBackOfACallThatStopped() async throws {
        let plugin = PatientPlugin()
        try await withServer(plugin) { server in
            for name in ["interruptible", "v"] {
                let wire = try server.connect()
                try wire.send(mount(name))
                for await _ in plugin.mounting.stream { break }
                wire.close()
                for await wasCancelled in plugin.ended.stream {
                    #expect(wasCancelled)
                    break
                }
            }
            for await unmounted in plugin.unmounted.stream {
                #expect(unmounted == "v i")
                break
            }
        }
    }

    /// A client that says no more is not gone: it waits for the answer.
    @Test(.timeLimit(.minutes(1)))
    func doesNotTakeHalfAHangUpForAWholeOne() async throws {
        let plugin = PatientPlugin()
        try await withServer(plugin) { server in
            let wire = try server.connect()
            try wire.send(mount("v"))
            for await _ in plugin.mounting.stream { break }
            wire.endSending()
            // The next connection is served after that was seen.
            let other = try await server.connect().exchange(Wire.post("/VolumeDriver.Get", #"{"Name":"v"}"#))
            #expect(other.contains("200 OK"))
            plugin.release.continuation.yield()
            let answer = try await wire.receive()
            #expect(answer.contains("\"/m\""))
            for await wasCancelled in plugin.ended.stream {
                #expect(!wasCancelled)
                break
            }
        }
    }
}
