// SPDX-License-Identifier: Apache-2.0

import DockerPluginClient
import DockerPluginDiscovery
import MobyFSTesting
import Synchronization
import SystemPackage
import Testing

/// Calls to an engine, its refusals, and engines that are none.
@Suite struct ManagedPluginsTests {
    // MARK: What is asked, and what is made of the answer

    @Test func listsPlugins() async throws {
        let list = "[\(pluginJSON("a:latest")),\(pluginJSON("b:1", id: "cafe", isEnabled: true)),{}]"
        try await withEngine({ _, _ in ("200 OK", list) }) { engine in
            let plugins = try await engine.plugins.list()
            #expect(plugins.map(\.name) == ["a:latest", "b:1"])
            let plugin = try #require(plugins.last)
            #expect(plugin.isEnabled)
            #expect(plugin.reference == "docker.io/library/b:1")
            #expect(plugin.summary == "words")
            #expect(plugin.interfaces == ["docker.volumedriver/1.0"])
            #expect(plugin.environment == ["A=b"])
            #expect(plugin.address.text == "unix:///run/docker/plugins/cafe/s.sock")
            #expect(engine.requests == ["GET /v1.41/plugins"])
        }
    }

    @Test func asksAsTheEngineWantsToBeAsked() async throws {
        try await withEngine(version: "1.25", { _, _ in ("200 OK", pluginJSON("h:5/p:t")) }) { engine in
            _ = try await engine.plugins.inspect("h:5/p:t")
            try await engine.plugins.set("h:5/p:t", ["A=b c", "D="])
            try await engine.plugins.enable("h:5/p:t", timeout: 7)
            try await engine.plugins.disable("h:5/p:t")
            try await engine.plugins.disable("h:5/p:t", force: true)
            try await engine.plugins.remove("h:5/p:t")
            try await engine.plugins.remove("h:5/p:t", force: true)
            let path = "/v1.25/plugins/h:5/p:t"
            #expect(
                engine.requests == [
                    "GET \(path)/json", #"POST \#(path)/set ["A=b c","D="]"#, "POST \(path)/enable?timeout=7",
                    "POST \(path)/disable", "POST \(path)/disable?force=1", "DELETE \(path)",
                    "DELETE \(path)?force=1",
                ])
        }
    }

    @Test func grantsJustWhatWasAskedFor() async throws {
        let asked = #"[{"Name":"mount","Description":"host path to mount","Value":["/var/lib/x"]}]"#
        let granted = #"[{"Description":"host path to mount","Name":"mount","Value":["/var/lib/x"]}]"#
        let answer: EngineFake.Answer = { request, _ in
            if request.contains("/privileges") { return ("200 OK", asked) }
            return ("200 OK", request.hasPrefix("POST") ? "" : pluginJSON("h:5/p:t"))
        }
        try await withEngine(answer) { engine in
            let privileges = try await engine.plugins.privileges(of: "h:5/p:t@sha256:00")
            #expect(privileges.map(\.description) == ["mount: /var/lib/x"])
            _ = try await engine.plugins.pull("h:5/p:t@sha256:00", granting: privileges)
            #expect(
                engine.requests == [
                    "GET /v1.41/plugins/privileges?remote=h%3A5%2Fp%3At%40sha256%3A00",
                    "POST /v1.41/plugins/pull?remote=h%3A5%2Fp%3At%40sha256%3A00&name=h%3A5%2Fp%3At \(granted)",
                    "GET /v1.41/plugins/h:5/p:t/json",
                ])
        }
    }

    @Test func tellsHowFarAPullHasCome() async throws {
        let lines = """
            {"status":"Pulling from p","id":"latest"}\r
            {"status":"Downloading","progressDetail":{"current":5,"total":10},"id":"ab"}\r

            {"status":"Complete","id":"ab"}
            """
        let answer: EngineFake.Answer = { request, _ in
            request.hasPrefix("POST") ? ("200 OK", lines) : ("200 OK", pluginJSON("p:latest"))
        }
        try await withEngine(answer) { engine in
            let seen = Mutex<[ManagedPluginProgress]>([])
            let plugin = try await engine.plugins.pull("p", granting: []) { step in seen.withLock { $0.append(step) } }
            #expect(plugin.name == "p:latest")
            let steps = seen.withLock { $0 }
            #expect(steps.map(\.status) == ["Pulling from p", "Downloading", "Complete"])
            #expect(steps[1].part == "ab" && steps[1].current == 5 && steps[1].total == 10)
        }
    }

    // MARK: Refusals

    /// The engine has said 200 by the time a pull fails.
    @Test func saysWhyAPullFailed() async throws {
        let lines = """
            {"status":"Pulling"}
            {"errorDetail":{"message":"no space\\nleft"},"error":"no space left"}
            """
        try await withEngine({ _, _ in ("200 OK", lines) }) { engine in
            let error = await #expect(throws: PluginClientError.self) {
                try await engine.plugins.pull("p", granting: [])
            }
            #expect(error?.code == .refused)
            #expect(error?.description == "no space left")
        }
    }

    @Test func saysWhatTheEngineSays() async throws {
        let answer: EngineFake.Answer = { _, _ in ("409 Conflict", #"{"message":"plugin p is in use"}"#) }
        try await withEngine(answer) { engine in
            let error = await #expect(throws: PluginClientError.self) { try await engine.plugins.remove("p") }
            #expect(error?.code == .refused)
            #expect(error?.status == 409)
            #expect(error?.description == "plugin p is in use")
            let pull = await #expect(throws: PluginClientError.self) {
                try await engine.plugins.pull("p", granting: [])
            }
            #expect(pull?.description == "plugin p is in use")
        }
    }

    /// Engines take the first letters of an ID for a name.
    @Test func findsNoPluginByTheBeginningOfItsID() async throws {
        let id = "cafe56789abc" + String(repeating: "0", count: 52)
        try await withEngine({ _, _ in ("200 OK", pluginJSON("other:latest", id: id)) }) { engine in
            let byID = try await engine.plugins.find("cafe")
            #expect(byID == nil)
            for name in ["other", "other:latest", "docker.io/library/other", "cafe56789abc", id] {
                let found = try await engine.plugins.find(name)
                #expect(found?.id == id, "\(name)")
            }
            let byTag = try await engine.plugins.find("other:1")
            #expect(byTag == nil)
        }
    }

    @Test func findsNothingWhereTheEngineFindsNothing() async throws {
        try await withEngine({ _, _ in ("404 Not Found", #"{"message":"plugin \"p\" not found"}"#) }) { engine in
            let found = try await engine.plugins.find("p")
            #expect(found == nil)
        }
    }

    @Test(arguments: [
        "", "a b", "../containers/x", "a//b", "a/./b", "p?force=1", "p#", "p%2F", "p\r\nX: y", "/p", "p/",
    ])
    func asksForNoNameThatMeansSomethingElse(name: String) async throws {
        try await withEngine({ _, _ in ("200 OK", "{}") }) { engine in
            let error = await #expect(throws: PluginClientError.self) { try await engine.plugins.remove(name) }
            #expect(error?.code == .misconfigured)
            #expect(engine.requests.isEmpty)
        }
    }

    // MARK: Engines that cannot do it

    @Test func saysThatAnEngineIsTooOld() async throws {
        try await withEngine(version: "1.24", { _, _ in ("404 Not Found", "404 page not found\n") }) { engine in
            let error = await #expect(throws: PluginClientError.self) { try await engine.plugins.list() }
            #expect(error?.description.contains("version 1.24 of the API") == true)
            #expect(error?.description.contains("1.25, Docker 1.13") == true)
            #expect(engine.requests.isEmpty)
        }
    }

    @Test func saysThatThereIsNoEngine() async throws {
        let error = await #expect(throws: PluginClientError.self) {
            try await ManagedPlugins(environment: ["DOCKER_HOST": "unix:///nowhere/docker.sock"]).list()
        }
        #expect(error?.code == .unreachable)
        #expect(error?.description.hasPrefix("no Docker Engine listens at 'unix:///nowhere/docker.sock'") == true)
    }

    @Test(arguments: ["<html>", "{}", #"{"ApiVersion":"new"}"#, #"{"ApiVersion":"1"}"#])
    func saysThatSomethingElseAnswers(body: String) async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let server = try RawServer(path) { connection in
                _ = try connection.receiveRequest()
                try connection.answer(body)
            }
            let engine = ManagedPlugins(engine: PluginEndpoint(PluginAddress(socket: path.string)))
            let error = await #expect(throws: PluginClientError.self) { try await engine.list() }
            #expect(error?.code == .badAnswer)
            #expect(error?.description.contains("is no Docker Engine") == true)
            #expect(server.connections == 1)
        }
    }

    // MARK: Where the engine is

    @Test(arguments: [
        ("", "unix:///var/run/docker.sock"), ("unix:///x.sock", "unix:///x.sock"), ("tcp://h:2375", "tcp://h:2375"),
    ])
    func looksWhereDockerLooks(host: String, address: String) throws {
        #expect(try ManagedPlugins(environment: ["DOCKER_HOST": host]).engine.address.text == address)
        #expect(try ManagedPlugins(environment: [:]).engine.address.text == "unix:///var/run/docker.sock")
    }

    @Test func usesTheCertificatesOfDocker() throws {
        var environment = ["DOCKER_HOST": "tcp://[::1]:2376", "DOCKER_TLS_VERIFY": "1", "HOME": "/home/a"]
        let atHome = try ManagedPlugins(environment: environment).engine
        #expect(atHome.address.text == "https://[::1]:2376")
        #expect(atHome.tls?.caFile == "/home/a/.docker/ca.pem")
        environment["DOCKER_CERT_PATH"] = "/certs"
        let elsewhere = try ManagedPlugins(environment: environment).engine.tls
        #expect(elsewhere?.certFile == "/certs/cert.pem")
        #expect(elsewhere?.keyFile == "/certs/key.pem")
        #expect(elsewhere?.verifies == true)
    }

    @Test(arguments: ["ssh://h", "npipe:////./pipe/docker", "fd://", "h:2375", "unix://docker.sock", "tcp://"])
    func refusesAnAddressThatItCannotUse(host: String) {
        let error = #expect(throws: PluginClientError.self) {
            try ManagedPlugins(environment: ["DOCKER_HOST": host])
        }
        #expect(error?.code == .misconfigured)
        #expect(error?.description.hasPrefix("DOCKER_HOST='\(host)' cannot be used: ") == true)
    }
}
