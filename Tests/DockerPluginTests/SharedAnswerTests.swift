// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Synchronization
import Testing

/// Lists that take a while to make.
@Suite struct SharedAnswerTests {
    private final class Plugin: VolumePlugin {
        let volumes = Mutex(0)
        let isListing = Atomic(0)
        let listed = Atomic(0)

        var scope: VolumeScope { .local }
        func list() throws -> [VolumeInfo] {
            if isListing.add(1, ordering: .relaxed).newValue > 1 { throw Overlap() }
            defer { isListing.subtract(1, ordering: .relaxed) }
            listed.add(1, ordering: .relaxed)
            let count = volumes.withLock { $0 }
            return (0..<2000).map { VolumeInfo(name: "volume-with-a-name-\($0)-\(count)") }
        }
        func create(_ name: String, options: [String: String]?) async throws { volumes.withLock { $0 += 1 } }
        func remove(_ name: String) async throws {}
        func mount(_ name: String, id: String, for engine: Caller) async throws -> String { "/m" }
        func unmount(_ name: String, id: String) async throws {}
        func path(_ name: String) throws -> String { "/m" }
        func get(_ name: String) throws -> VolumeInfo { VolumeInfo(name: name) }
    }

    private struct Overlap: Error {}

    private func text(_ answer: PluginAnswer) async -> String {
        let response: PluginResponse? =
            switch answer {
            case .now(let response): response
            case .later(let work): await work()
            case .hangUp: nil
            }
        return String(decoding: response?.body ?? [], as: UTF8.self)
    }

    @Test func aLargeListIsMadeOnceAtATimeForAllWhoAskMeanwhile() async throws {
        let plugin = Plugin()
        let subsystem = VolumeSubsystem(plugin)
        let list = { subsystem.answer("List", body: [], from: Caller()) }
        let first = await text(list())
        #expect(first.contains("volume-with-a-name-1999-0"))
        // From now on it is known that it takes a while.
        guard case .later = list() else {
            Issue.record("it is made while others wait")
            return
        }
        let answers = await withTaskGroup { group in
            for _ in 0..<200 { group.addTask { await self.text(subsystem.answer("List", body: [], from: Caller())) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.allSatisfy { $0 == first })
        #expect(plugin.listed.load(ordering: .relaxed) < 100)
    }

    /// Whatever was acknowledged before somebody asks is in the answer.
    @Test func nobodyGetsAListFromBeforeItAsked() async throws {
        let plugin = Plugin()
        let subsystem = VolumeSubsystem(plugin)
        _ = await text(subsystem.answer("List", body: [], from: Caller()))
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<20 {
                        let count = plugin.volumes.withLock { count in
                            count += 1
                            return count
                        }
                        let answer = await self.text(subsystem.answer("List", body: [], from: Caller()))
                        let listed = answer.firstRange(of: "volume-with-a-name-0-").map { range in
                            answer[range.upperBound...].prefix { $0.isNumber }
                        }
                        #expect(listed.flatMap { Int($0) }.map { $0 >= count } == true)
                    }
                }
            }
        }
    }
}
