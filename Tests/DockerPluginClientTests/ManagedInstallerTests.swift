// SPDX-License-Identifier: Apache-2.0

import DockerPluginClient
import DockerPluginDiscovery
import MobyFSTesting
import SystemPackage
import Testing

/// Installing and removing: which calls are made and which files written, and what is left when something fails.
@Suite struct ManagedInstallerTests {
    private struct Place {
        let root: FilePath
        let installer: PluginInstaller

        var spec: FilePath { root.appending("plugins/p.spec") }
        var address: PluginAddress { PluginAddress(socket: root.appending("p.sock").string) }
    }

    private static let noEngine: EngineFake.Answer = { _, _ in ("404 Not Found", #"{"message":"not found"}"#) }
    private static let implements = #"{"Implements":["VolumeDriver"]}"#

    /// Runs `body` with a place for spec files, an engine, and a plugin that answers `Plugin.Activate`.
    private func withPlace(
        plugin: String = implements, engine answer: @escaping EngineFake.Answer = noEngine,
        _ body: (Place, EngineFake) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { root in
            let server = try RawServer(root.appending("p.sock")) { connection in
                _ = try connection.receiveRequest()
                try connection.answer(plugin)
            }
            let engine = try EngineFake(root.appending("docker.sock"), answer)
            let installer = PluginInstaller(
                managed: engine.plugins, specDirectory: root.appending("plugins").string)
            try await body(Place(root: root, installer: installer), engine)
            withExtendedLifetime(server) {}
        }
    }

    // MARK: Programs

    @Test func writesTheFileOfAPluginThatAnswers() async throws {
        try await withPlace { place, _ in
            let implements = try await place.installer.install("p", at: PluginEndpoint(place.address))
            #expect(implements == ["VolumeDriver"])
            #expect(try place.spec.text == "\(place.address)\n")
            let removal = try await place.installer.remove("p")
            #expect(removal.files == [place.spec.string])
            #expect(!place.spec.exists)
        }
    }

    @Test(arguments: ["<html>", #"{"Implements":"x"}"#, ""])
    func writesNothingForAPluginThatDoesNotAnswer(plugin: String) async throws {
        try await withPlace(plugin: plugin) { place, _ in
            await #expect(throws: PluginClientError.self) {
                try await place.installer.install("p", at: PluginEndpoint(place.address))
            }
            #expect(!place.spec.exists)
        }
    }

    @Test func leavesTheFileOfAnotherAlone() async throws {
        try await withPlace { place, _ in
            let other = SpecFile(name: "q", directory: place.installer.specDirectory)
            try other.write(PluginEndpoint(place.address))
            try place.spec.write("unix:///run/other.sock")
            await #expect(throws: SpecFileError.self) {
                try await place.installer.install("p", at: PluginEndpoint(place.address))
            }
            let refusal = await #expect(throws: PluginClientError.self) { try await place.installer.remove("p") }
            #expect(refusal?.description.contains("was not written by mobyfs") == true)
            #expect(try place.spec.text == "unix:///run/other.sock")

            _ = try await place.installer.install("p", at: PluginEndpoint(place.address), replacingOthers: true)
            #expect(try place.spec.text == "\(place.address)\n")
            try place.spec.write("unix:///run/other.sock")
            _ = try await place.installer.remove("p", force: true)
            #expect(!place.spec.exists)
            #expect(FilePath(other.path(.spec)).exists)
        }
    }

    @Test func refusesANameThatEnginesWouldTakeForAManagedPlugin() async throws {
        try await withPlace(engine: { _, _ in ("200 OK", pluginJSON("p:latest")) }) { place, _ in
            let error = await #expect(throws: PluginClientError.self) {
                try await place.installer.install("p", at: PluginEndpoint(place.address))
            }
            #expect(error?.description.contains("managed plugin 'p:latest', which engines prefer") == true)
            #expect(!place.spec.exists)
        }
    }

    @Test(arguments: ["", ".p", "a/b", "a b", "../p"])
    func refusesANameThatIsNoFileName(name: String) async throws {
        try await withPlace { place, _ in
            let error = await #expect(throws: PluginClientError.self) {
                try await place.installer.install(name, at: PluginEndpoint(place.address))
            }
            #expect(error?.code == .misconfigured)
        }
    }

    @Test func removesAFileThoughNoEngineRuns() async throws {
        try await withPlace { place, _ in
            _ = try await place.installer.install("p", at: PluginEndpoint(place.address))
            let installer = PluginInstaller(
                managed: try ManagedPlugins(environment: ["DOCKER_HOST": "unix:///nowhere.sock"]),
                specDirectory: place.installer.specDirectory)
            _ = try await installer.remove("p")
            #expect(!place.spec.exists)
            let error = await #expect(throws: PluginClientError.self) { try await installer.remove("p") }
            #expect(error?.code == .unreachable)
        }
    }

    // MARK: Managed plugins

    private static let engine: EngineFake.Answer = { request, _ in
        if request.contains("/privileges") { return ("200 OK", #"[{"Name":"n","Value":["v"]}]"#) }
        if request.hasSuffix("/json") { return ("200 OK", pluginJSON("p:latest", isEnabled: true)) }
        return ("200 OK", "")
    }

    private static func paths(_ engine: EngineFake) -> [String] {
        engine.requests.map {
            String($0.split(separator: " ")[1].prefix { $0 != "?" }.dropFirst("/v1.41/plugins/".count))
        }
    }

    @Test func installsInTheOrderThatWorks() async throws {
        try await withPlace(engine: Self.engine) { place, engine in
            let plugin = try await place.installer.install("p", settings: ["A=b"]) { $0.map(\.name) == ["n"] }
            #expect(plugin?.name == "p:latest")
            let id = "0123456789ab"
            #expect(Self.paths(engine) == ["privileges", "pull", "p/json", "\(id)/set", "\(id)/enable", "\(id)/json"])
        }
    }

    @Test func installsNothingWithoutConsent() async throws {
        try await withPlace(engine: Self.engine) { place, engine in
            let plugin = try await place.installer.install("p") { _ in false }
            #expect(plugin == nil)
            #expect(Self.paths(engine) == ["privileges"])
        }
    }

    @Test func saysThatAPluginIsThereAndNotEnabled() async throws {
        let answer: EngineFake.Answer = { request, body in
            request.contains("/enable") ? ("500 Oops", #"{"message":"no such folder"}"#) : Self.engine(request, body)
        }
        try await withPlace(engine: answer) { place, _ in
            let error = await #expect(throws: PluginClientError.self) {
                try await place.installer.install("p") { _ in true }
            }
            #expect(error?.description == "plugin 'p:latest' was fetched but is not enabled: no such folder")
        }
    }

    @Test func removesAManagedPluginRatherThanAFile() async throws {
        try await withPlace(engine: Self.engine) { place, engine in
            try SpecFile(name: "p", directory: place.installer.specDirectory).write(PluginEndpoint(place.address))
            let removal = try await place.installer.remove("p", force: true)
            #expect(removal.name == "p:latest")
            #expect(removal.files.isEmpty)
            #expect(place.spec.exists)
            #expect(engine.requests.last == "DELETE /v1.41/plugins/0123456789ab?force=1")
        }
    }

    /// A plugin with the ID `cafe…` is not the plugin `cafe`.
    @Test func removesNoPluginForTheBeginningOfItsID() async throws {
        try await withPlace(engine: { _, _ in ("200 OK", pluginJSON("other:latest", id: "cafe0123456789")) }) {
            place, engine in
            let error = await #expect(throws: PluginClientError.self) { try await place.installer.remove("cafe") }
            #expect(error?.status == 404)
            #expect(!engine.requests.contains { $0.hasPrefix("DELETE") })
        }
    }
}
