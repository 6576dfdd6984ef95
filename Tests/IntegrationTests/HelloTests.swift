// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient
import DockerPluginDiscovery
import Glibc
import MobyFSHost
import MobyFSTesting
import Subprocess
import SystemPackage
import Testing

/// The example plugin `hello`, built and run: two of them find and call each other.
@Suite struct HelloTests {
    /// A running instance.
    private struct Instance: Sendable {
        let root: FilePath
        let name: String

        var socket: FilePath { root.appending("\(name).sock") }
        var specFile: FilePath { root.appending("specs/\(name).spec") }

        func call(_ method: String, _ request: JSONValue = [:]) async throws -> JSONValue {
            let endpoint = PluginEndpoint(PluginAddress(socket: socket.string))
            return try await PluginClient(endpoint).call("hello.\(method)", request)
        }
    }

    /// Runs an instance for as long as the body; it is there once its spec file is.
    private func withHello(
        _ name: String, in root: FilePath, _ body: @escaping @Sendable (Instance) async throws -> Void
    ) async throws {
        let hello = Instance(root: root, name: name)
        let arguments = [
            "--name", name, "--socket", hello.socket.string, "--spec-dir", "\(root)/specs", "--socket-dir",
            "\(root)/sockets", "--engine", "\(root)/no-engine.sock",
        ]
        let outcome = try await run(
            .path(RunningDaemon.binary.removingLastComponent().appending("hello")), arguments: Arguments(arguments),
            input: .none, output: .discarded, error: .discarded
        ) { execution -> Result<Void, any Error> in
            defer { kill(execution.processIdentifier.value, SIGTERM) }
            do {
                while !hello.specFile.exists { try await Task.sleep(for: .milliseconds(5)) }
                return .success(try await body(hello))
            } catch {
                return .failure(error)
            }
        }
        try outcome.closureResult.get()
        #expect(outcome.terminationStatus.isSuccess)
        #expect(!hello.specFile.exists && !hello.socket.exists, "it leaves nothing that engines would wait for")
    }

    @Test(.timeLimit(.minutes(1))) func twoFindAndCallEachOther() async throws {
        try await withTemporaryDirectory { root in
            try await withHello("hello", in: root) { hello in
                try await withHello("world", in: root) { world in
                    let found = try await hello.call("Discover")["Plugins"]?.array
                    #expect(found?.map { $0["Name"]?.string } == ["hello", "world"])
                    #expect(found?.map { $0["Implements"] } == [.array(["hello"]), .array(["hello"])])

                    let state: JSONValue = ["Plugin": "world", "Method": "hello.GetState"]
                    let answer = try await hello.call("Call", state)["Answer"]
                    #expect(answer?["Name"] == "world")
                    // And on, through both of them.
                    let thereAndBack: JSONValue = [
                        "Plugin": "hello", "Method": "hello.Call", "Request": state,
                    ]
                    let echo = try await world.call("Call", thereAndBack)["Answer"]?["Answer"]
                    #expect(echo?["Name"] == "world")
                    #expect(echo?["Calls"] == .integer(3))
                }
                let alone = try await hello.call("Discover")["Plugins"]?.array
                #expect(alone?.map { $0["Name"]?.string } == ["hello"])
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func oneInstallsAndRemovesAnother() async throws {
        try await withTemporaryDirectory { root in
            try await withHello("hello", in: root) { hello in
                let elsewhere = root.appending("elsewhere")
                try Directories.create(elsewhere, mode: 0o700)
                try await withHello("world", in: elsewhere) { world in
                    let installed = try await hello.call(
                        "Install", ["Name": "world", "Address": .string("unix://\(world.socket)")])
                    #expect(installed["Implements"] == .array(["hello"]))
                    let found = try await hello.call("Discover")["Plugins"]?.array
                    #expect(found?.map { $0["Name"]?.string } == ["hello", "world"])
                    let removed = try await hello.call("Remove", ["Name": "world"])
                    #expect(removed["Removed"] == .array([.string("\(root)/specs/world.spec")]))
                }
            }
        }
    }

    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            ("Call", [:], "the request has no 'Plugin'"), ("Remove", ["Name": "nobody"], "no-engine.sock"),
            ("Call", ["Plugin": "nobody", "Method": "hello.GetState"], "'nobody'"),
            ("Install", ["Name": "x", "Address": "unix:///nowhere.sock"], "/nowhere.sock"),
            ("Install", ["Reference": "localhost:5000/x:1"], "no-engine.sock"),
        ] as [(String, JSONValue, String)])
    func saysWhatIsWrong(method: String, request: JSONValue, complaint: String) async throws {
        try await withTemporaryDirectory { root in
            try await withHello("hello", in: root) { hello in
                let error = await #expect(throws: PluginClientError.self) { try await hello.call(method, request) }
                #expect(error?.description.contains(complaint) == true, "\(error?.description ?? "")")
            }
        }
    }
}
