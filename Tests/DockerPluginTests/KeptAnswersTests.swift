// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Synchronization
import Testing

/// Answers of a plugin that counts what changes.
@Suite struct KeptAnswersTests {
    private final class Plugin: VolumePlugin {
        let state = Mutex((version: UInt64?.some(1), mounts: Int64(0), asked: 0))

        var scope: VolumeScope { .local }
        func version(of name: String?) -> UInt64? { name == "unknown" ? nil : state.withLock(\.version) }
        func create(_ name: String, options: [String: String]?) async throws {}
        func remove(_ name: String) async throws {}
        func mount(_ name: String, id: String, for engine: Caller) async throws -> String { "/m" }
        func unmount(_ name: String, id: String) async throws {}
        func path(_ name: String) throws -> String { "/m/\(counted())" }
        func get(_ name: String) throws -> VolumeInfo {
            if name == "unknown" { throw VolumeNotFound("no such volume") }
            return VolumeInfo(name: name, status: ["mounts": .integer(counted())])
        }
        func list() throws -> [VolumeInfo] { [VolumeInfo(name: "v", status: ["mounts": .integer(counted())])] }

        private func counted() -> Int64 {
            state.withLock { state in
                state.asked += 1
                return state.mounts
            }
        }
    }

    private func body(_ answer: PluginAnswer) -> String {
        guard case .now(let response) = answer else { return "not at once" }
        return String(decoding: response.body, as: UTF8.self)
    }

    @Test(arguments: ["Get", "Path", "List"])
    func areGivenAgainUntilThereIsSomethingElseToSay(method: String) {
        let plugin = Plugin()
        let subsystem = VolumeSubsystem(plugin)
        let ask = { (name: String) in
            body(subsystem.answer(method, body: Array(#"{"Name":"\#(name)"}"#.utf8), from: Caller()))
        }
        let first = ask("v")
        #expect(ask("v") == first && first.contains("0"))
        #expect(plugin.state.withLock(\.asked) == 1)
        plugin.state.withLock { $0 = (2, 7, 0) }
        #expect(ask("v").contains("7") && ask("v").contains("7"))
        #expect(plugin.state.withLock(\.asked) == 1)
        if method != "List" {
            _ = ask("w")
            #expect(plugin.state.withLock(\.asked) == 2)
        }
        // Where nobody counts, they are asked each time.
        plugin.state.withLock { $0 = (nil, 8, 0) }
        #expect(ask("v").contains("8") && ask("v").contains("8"))
        #expect(plugin.state.withLock(\.asked) == 2)
    }

    @Test func whatIsNotThereIsAskedForEachTime() {
        let subsystem = VolumeSubsystem(Plugin())
        for _ in 0..<2 {
            let answer = body(subsystem.answer("Get", body: Array(#"{"Name":"unknown"}"#.utf8), from: Caller()))
            #expect(answer == #"{"Err":"no such volume"}"#)
        }
    }
}
