// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginServer
import Glibc
import Logging
import MobyFSTesting
import Synchronization
import SystemPackage
import Testing

@Suite struct PluginServerTests {
    /// A plugin whose mounts wait until the test lets them go.
    private final class SlowPlugin: VolumePlugin {
        let mounting = AsyncStream<Caller>.makeStream()
        let release = AsyncStream<Void>.makeStream()
        let unmounted = AsyncStream<String>.makeStream()

        var scope: VolumeScope { .local }
        func create(_ name: String, options: [String: String]?) async throws {}
        func remove(_ name: String) async throws {}
        func mount(_ name: String, id: String, for engine: Caller) async throws -> String {
            mounting.continuation.yield(engine)
            for await _ in release.stream { break }
            return "/m"
        }
        func unmount(_ name: String, id: String) async throws { unmounted.continuation.yield("\(name) \(id)") }
        func path(_ name: String) throws -> String { "/m" }
        func get(_ name: String) throws -> VolumeInfo {
            // More than a socket holds.
            let fill = name == "large" ? String(repeating: "x", count: 8 << 20) : ""
            return VolumeInfo(name: name, mountpoint: fill)
        }
        func list() throws -> [VolumeInfo] { [] }
    }

    private let mount = Wire.post("/VolumeDriver.Mount", #"{"Name":"v","ID":"i"}"#)
    private let get = Wire.post("/VolumeDriver.Get", #"{"Name":"v"}"#)

    private func expectAnswer(on wire: Wire) async throws {
        let answer = try await wire.exchange(get)
        #expect(answer.contains("200 OK"))
    }

    /// Runs `body` with a server for the plugin, and stops the server after it.
    private func withServer(
        _ plugin: SlowPlugin, configure: (inout PluginServer.Configuration) -> Void = { _ in },
        _ body: (FilePath, Task<Void, any Error>) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            var configuration = PluginServer.Configuration(listeners: [.unix(path: path.string)])
            configure(&configuration)
            let server = PluginServer(configuration, subsystems: [VolumeSubsystem(plugin)], logger: .silent)
            let listening = AsyncStream<Void>.makeStream()
            let running = Task { try await server.run { _ in listening.continuation.finish() } }
            for await _ in listening.stream {}
            defer { running.cancel() }
            try await body(path, running)
            running.cancel()
            try await running.value
            #expect(!path.exists)
        }
    }

    /// The engine waits two minutes for a mount and then hangs up; no Unmount follows.
    @Test func takesBackAMountWhoseClientHungUp() async throws {
        let plugin = SlowPlugin()
        try await withServer(plugin) { path, _ in
            let wire = try Wire(path)
            try wire.send(mount)
            for await _ in plugin.mounting.stream { break }
            wire.close()
            // The next connection is served after the hang-up was seen.
            try await expectAnswer(on: Wire(path))
            plugin.release.continuation.yield()
            for await unmounted in plugin.unmounted.stream {
                #expect(unmounted == "v i")
                break
            }
        }
    }

    @Test func tellsThePluginWhoCalls() async throws {
        let plugin = SlowPlugin()
        try await withServer(plugin) { path, _ in
            let wire = try Wire(path)
            try wire.send(mount)
            for await caller in plugin.mounting.stream {
                #expect(caller.processID == Wire.ownProcessID)
                break
            }
            plugin.release.continuation.yield()
            let answer = try await wire.receive()
            #expect(answer.contains("\"/m\""))
        }
    }

    /// A call that is being worked on holds up no other connection.
    @Test func answersOthersMeanwhile() async throws {
        let plugin = SlowPlugin()
        try await withServer(plugin) { path, _ in
            let slow = try Wire(path)
            try slow.send(mount)
            for await _ in plugin.mounting.stream { break }
            for _ in 0..<20 { try await expectAnswer(on: Wire(path)) }
            plugin.release.continuation.yield()
            let answer = try await slow.receive()
            #expect(answer.contains("200 OK"))
        }
    }

    @Test func finishesACallUnderWayBeforeItStops() async throws {
        let plugin = SlowPlugin()
        try await withServer(plugin) { path, running in
            let wire = try Wire(path)
            try wire.send(mount)
            for await _ in plugin.mounting.stream { break }
            running.cancel()
            // The listening socket goes first.
            while path.exists { await Task.yield() }
            plugin.release.continuation.yield()
            let answer = try await wire.receive()
            #expect(answer.contains("200 OK"))
        }
    }

    /// A client may be slow to read; the connection is not closed over what it has not read yet.
    @Test(arguments: [true, false])
    func writesAnswersWholeBeforeItCloses(becauseItStops: Bool) async throws {
        try await withServer(SlowPlugin()) { path, running in
            let wire = try Wire(path)
            let headers = becauseItStops ? ["Host: x"] : ["Host: x", "Connection: close"]
            try wire.send(Wire.post("/VolumeDriver.Get", #"{"Name":"large"}"#, headers: headers))
            try await wire.waitForAnswer()
            if becauseItStops { running.cancel() }
            let answer = try await wire.receiveAll()
            #expect(answer.utf8.count > 8 << 20)
            #expect(answer.hasSuffix("\"}}"))
        }
    }

    /// A client that sends half a request keeps no server from stopping: others wait for the next one.
    @Test(.timeLimit(.minutes(1)))
    func waitsForNoRequestThatDoesNotCome() async throws {
        try await withServer(SlowPlugin(), configure: { $0.drainLimit = .seconds(3600) }) { path, running in
            let wire = try Wire(path)
            try await expectAnswer(on: wire)
            try wire.send("POST /Vol")
            running.cancel()
            try await running.value
        }
    }

    /// What an engine writes into an idle connection while the server stops is answered by the next server.
    @Test func handsIdleConnectionsOver() async throws {
        let plugin = SlowPlugin()
        let descriptors = Mutex<[CInt]>([])
        let keep: @Sendable (CInt) -> Void = { descriptor in descriptors.withLock { $0.append(descriptor) } }
        var idle: Wire?
        try await withServer(plugin, configure: { $0.handOver = keep }) { path, _ in
            let wire = try Wire(path)
            try await expectAnswer(on: wire)
            idle = wire
        }
        let wire = try #require(idle)
        try wire.send(get)
        var configuration = PluginServer.Configuration(listeners: [])
        configuration.connections = descriptors.withLock { $0 }
        #expect(configuration.connections.count == 1)
        let next = PluginServer(configuration, subsystems: [VolumeSubsystem(plugin)], logger: .silent)
        let running = Task { try await next.run() }
        let answer = try await wire.receive()
        #expect(answer.contains("200 OK"))
        running.cancel()
        try await running.value
    }

    @Test func refusesAPathThatAnotherServerListensOn() async throws {
        try await withServer(SlowPlugin()) { path, _ in
            let second = PluginServer(
                PluginServer.Configuration(listeners: [.unix(path: path.string)]), subsystems: [], logger: .silent)
            let error = await #expect(throws: ListenError.self) { try await second.run() }
            #expect(error?.description.contains("another server is listening") == true)
            try await expectAnswer(on: Wire(path))
        }
    }

    @Test func waitsForAServerThatIsEnding() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            var ending: RawServer? = try RawServer(path) { _ in }
            let server = PluginServer(
                PluginServer.Configuration(listeners: [.unix(path: path.string)]), subsystems: [], logger: .silent)
            let listening = AsyncStream<Void>.makeStream()
            let running = Task {
                defer { listening.continuation.finish() }
                try await server.run { _ in listening.continuation.yield() }
            }
            try await eventually("the new server looks whether there is another") { ending?.connections ?? 0 > 0 }
            ending = nil
            for await _ in listening.stream { running.cancel() }
            try await running.value
        }
    }

    @Test func answersItselfWhileItServes() async throws {
        try await withTemporaryDirectory { root in
            let server = PluginServer(
                PluginServer.Configuration(listeners: [.unix(path: root.appending("s").string)]), subsystems: [],
                logger: .silent)
            #expect(await !server.answers(within: .seconds(1)))
            let listening = AsyncStream<Void>.makeStream()
            let running = Task { try await server.run { _ in listening.continuation.finish() } }
            for await _ in listening.stream {}
            #expect(await server.answers(within: .seconds(90)))
            running.cancel()
            try await running.value
            #expect(await !server.answers(within: .seconds(1)))
        }
    }

    /// The umask is the whole process's; and a socket is the owner's alone whatever it is.
    @Test func bindsSocketsForTheOwnerWithoutTheUmask() async throws {
        func umask() throws -> Substring? {
            try FilePath("/proc/self/status").text.split(separator: "\n").first { $0.hasPrefix("Umask:") }
        }
        let before = try umask()
        try await withTemporaryDirectory { root in
            let paths = (0..<16).map { root.appending("\($0).sock") }
            let listening = AsyncStream<Void>.makeStream()
            try await withThrowingTaskGroup { group in
                for path in paths {
                    let server = PluginServer(
                        PluginServer.Configuration(listeners: [.unix(path: path.string)]), subsystems: [],
                        logger: .silent)
                    group.addTask { try await server.run { _ in listening.continuation.yield() } }
                }
                var count = 0
                for await _ in listening.stream {
                    count += 1
                    if count == paths.count { break }
                }
                #expect(paths.allSatisfy { $0.attributes.mode == 0o600 })
                group.cancelAll()
                while try await group.next() != nil {}
            }
        }
        #expect(try umask() == before)
    }

    @Test func leavesTheSocketThatAnotherServerMadeInItsPlace() async throws {
        try await withServer(SlowPlugin()) { path, first in
            #expect(unlink(path.string) == 0)
            let second = PluginServer(
                PluginServer.Configuration(listeners: [.unix(path: path.string)]),
                subsystems: [VolumeSubsystem(SlowPlugin())], logger: .silent)
            let listening = AsyncStream<Void>.makeStream()
            let running = Task { try await second.run { _ in listening.continuation.finish() } }
            for await _ in listening.stream {}
            first.cancel()
            try await first.value
            try await expectAnswer(on: Wire(path))
            running.cancel()
            try await running.value
            #expect(!path.exists)
        }
    }

    @Test func saysThatThePathOfASocketIsTooLong() async throws {
        let path = "/tmp/" + String(repeating: "x", count: 103)
        let server = PluginServer(
            PluginServer.Configuration(listeners: [.unix(path: path)]), subsystems: [], logger: .silent)
        let error = await #expect(throws: ListenError.self) { try await server.run() }
        #expect(error?.description.contains("the path has 108 bytes") == true)
    }

    /// Any page in a browser may send a POST to this host, without being let read the answer.
    @Test func takesNoCallsFromPagesInABrowser() async throws {
        try await withServer(SlowPlugin()) { path, _ in
            let call = get.replacing("\r\n\r\n", with: "\r\nOrigin: https://page.example\r\n\r\n", maxReplacements: 1)
            let answer = try await Wire(path).exchange(call)
            #expect(answer.hasPrefix("HTTP/1.1 403 "), "\(answer)")
        }
    }
}
