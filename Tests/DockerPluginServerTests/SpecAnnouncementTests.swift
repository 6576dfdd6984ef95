// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginDiscovery
import DockerPluginServer
import Logging
import MobyFSTesting
import SystemPackage
import Testing

/// The spec file of a server, there for as long as it listens.
@Suite struct SpecAnnouncementTests {
    private func serve(
        _ listener: Listener, _ announcement: SpecAnnouncement, _ body: @escaping @Sendable () throws -> Void
    ) async throws {
        var configuration = PluginServer.Configuration(listeners: [listener])
        configuration.announcement = announcement
        let server = PluginServer(configuration, subsystems: [], logger: Logger(label: "test"))
        try await withThrowingTaskGroup { group in
            let listening = AsyncStream.makeStream(of: Void.self)
            group.addTask {
                defer { listening.continuation.finish() }
                try await server.run { _ in listening.continuation.yield() }
            }
            for await _ in listening.stream {
                try body()
                break
            }
            group.cancelAll()
            while try await group.next() != nil {}
        }
    }

    @Test func isThereAsLongAsTheServerListens() async throws {
        try await withTemporaryDirectory { root in
            let file = SpecFile(name: "x", directory: root.appending("plugins").string)
            let path = FilePath(file.path(.spec))
            try await serve(.unix(path: "\(root)/x.sock"), SpecAnnouncement(file)) {
                let text = try path.text
                #expect(text == "unix://\(root)/x.sock\n")
            }
            #expect(!path.exists)
        }
    }

    /// The name of a managed plugin, for which engines look into a folder.
    @Test func takesTheFolderOfANameAwayAtTheEnd() async throws {
        try await withTemporaryDirectory { root in
            let plugins = root.appending("plugins")
            let file = SpecFile(name: "vieux/sshfs:latest", directory: plugins.string)
            let path = FilePath(file.path(.spec))
            try await serve(.unix(path: "\(root)/x.sock"), SpecAnnouncement(file)) {
                let text = try path.text
                #expect(text == "unix://\(root)/x.sock\n")
            }
            #expect(plugins.exists)
            #expect(!plugins.appending("vieux").exists)
        }
    }

    @Test func namesThePortThatTheKernelChoseAndTheHostThatWasAskedFor() async throws {
        try await withTemporaryDirectory { root in
            let file = SpecFile(name: "x", directory: root.appending("plugins").string)
            let path = FilePath(file.path(.spec))
            try await serve(.tcp(host: "0.0.0.0", port: 0), SpecAnnouncement(file, host: "localhost")) {
                let text = try path.text
                #expect(text.hasPrefix("tcp://localhost:") && !text.hasSuffix(":0\n"), "\(text)")
            }
        }
    }

    /// A socket unit's file, for example, which is right again when the server stops.
    @Test func putsBackAFileWhoseSocketIsServedStill() async throws {
        try await withTemporaryDirectory { root in
            let file = SpecFile(name: "x", directory: root.appending("plugins").string)
            let path = FilePath(file.path(.spec))
            let other = PluginEndpoint(PluginAddress(socket: "\(root)/other.sock"))
            try file.write(other)
            try await serve(.tcp(host: "127.0.0.1", port: 0), SpecAnnouncement(file)) {}
            #expect(!path.exists, "nobody serves that socket: engines would wait for it")

            try file.write(other)
            let server = PluginServer(
                .init(listeners: [.unix(path: "\(root)/other.sock")]), subsystems: [], logger: Logger(label: "other"))
            try await withThrowingTaskGroup { group in
                let listening = AsyncStream.makeStream(of: Void.self)
                group.addTask { try await server.run { _ in listening.continuation.finish() } }
                for await _ in listening.stream {}
                try await serve(.tcp(host: "127.0.0.1", port: 0), SpecAnnouncement(file)) {
                    let text = try path.text
                    #expect(text.hasPrefix("tcp://"))
                }
                #expect(try path.text == "unix://\(root)/other.sock\n")
                group.cancelAll()
                while try await group.next() != nil {}
            }
        }
    }

    @Test func doesNotServeWhereTheFileIsSomebodyElses() async throws {
        try await withTemporaryDirectory { root in
            let file = SpecFile(name: "x", directory: root.string)
            try FilePath(file.path(.spec)).write("tcp://elsewhere:1\n")
            await #expect(throws: SpecFileError.self) {
                try await serve(.unix(path: "\(root)/x.sock"), SpecAnnouncement(file)) {}
            }
            #expect(!root.appending("x.sock").exists)
            #expect(try FilePath(file.path(.spec)).text == "tcp://elsewhere:1\n")
        }
    }
}
