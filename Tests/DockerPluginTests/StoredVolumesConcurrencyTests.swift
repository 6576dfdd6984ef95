// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Glibc
import MobyFSTesting
import Synchronization
import Testing

@Suite struct StoredVolumesConcurrencyTests {
    /// Blocks the calling thread until as many threads have come as are expected.
    private final class Barrier: Sendable {
        private let arrived = Mutex(0)
        let expected: Int

        init(_ expected: Int) { self.expected = expected }

        func wait() {
            arrived.withLock { $0 += 1 }
            while arrived.withLock({ $0 }) < expected { usleep(100) }
        }
    }

    /// More volumes than this machine has processors block, and none of them waits for another.
    @Test(.timeLimit(.minutes(1)))
    func storagesMayBlock() async throws {
        let barrier = Barrier(64)
        try await withStoredVolumes(RecordingStorage { _ in barrier.wait() }) { fixture in
            let volumes = try fixture.started()
            try await withThrowingTaskGroup { group in
                for index in 0..<barrier.expected {
                    group.addTask { try await volumes.create("v\(index)", options: nil) }
                }
                try await group.waitForAll()
            }
            #expect(try volumes.list().count == barrier.expected)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func worksOnOneVolumeInOrder() async throws {
        let running = Mutex(0)
        let storage = RecordingStorage { _ in
            let others = running.withLock { running in
                defer { running += 1 }
                return running
            }
            #expect(others == 0)
            await Task.yield()
            running.withLock { $0 -= 1 }
        }
        try await withStoredVolumes(storage) { fixture in
            let volumes = try fixture.started()
            try await volumes.create("db", options: nil)
            try await withThrowingTaskGroup { group in
                for index in 0..<50 {
                    group.addTask {
                        _ = try await volumes.mount("db", id: "\(index)", for: fixture.engine)
                        try await volumes.unmount("db", id: "\(index)")
                    }
                }
                try await group.waitForAll()
            }
            let calls = fixture.storage.calls
            #expect(calls.filter { $0 == .mount("db") }.count == calls.filter { $0 == .unmount("db") }.count)
            #expect(try volumes.get("db").status["mounts"] == 0)
        }
    }

    /// While a volume is worked on, those who read it do not wait.
    @Test(.timeLimit(.minutes(1)))
    func readsWithoutWaiting() async throws {
        let (gate, opened) = AsyncStream<Void>.makeStream()
        let storage = RecordingStorage { call in
            if call == .mount("db") { for await _ in gate {} }
        }
        try await withStoredVolumes(storage) { fixture in
            let volumes = try fixture.started()
            try await volumes.create("db", options: nil)
            let mounting = Task { try await volumes.mount("db", id: "i", for: fixture.engine) }
            while fixture.storage.calls.count < 2 { await Task.yield() }
            #expect(try volumes.get("db").status["mounts"] == 0)
            #expect(try volumes.path("db") == "/m/db")
            // Another volume goes on meanwhile.
            try await volumes.create("web", options: nil)
            opened.finish()
            _ = try await mounting.value
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func beginsNothingForAnEngineThatHungUpWhileItWaited() async throws {
        let (gate, opened) = AsyncStream<Void>.makeStream()
        let storage = RecordingStorage { call in
            if call == .create("db") { for await _ in gate {} }
        }
        try await withStoredVolumes(storage) { fixture in
            let volumes = try fixture.started()
            let creating = Task { try await volumes.create("db", options: nil) }
            while fixture.storage.calls.isEmpty { await Task.yield() }
            let waiting = Task { try await volumes.mount("db", id: "i", for: fixture.engine) }
            waiting.cancel()
            // It does not even wait for its turn.
            await #expect(throws: CancellationError.self) { try await waiting.value }
            opened.finish()
            try await creating.value
            _ = try await volumes.mount("db", id: "j", for: fixture.engine)
            #expect(try volumes.get("db").status["mounts"] == 1)
        }
    }

    /// Creating and mounting may be given up; what takes back is not to be cut in half.
    @Test(.timeLimit(.minutes(1)))
    func passesCancellationOnToWhatMayBeGivenUp() async throws {
        let cancelled = Mutex<Set<RecordingStorage.Call>>([])
        let begun = AsyncStream<Void>.makeStream()
        let storage = RecordingStorage { call in
            begun.continuation.yield()
            // Long enough for the cancellation to come, where it does.
            for _ in 0..<500 where !Task.isCancelled { try? await Task.sleep(for: .milliseconds(1)) }
            if Task.isCancelled { _ = cancelled.withLock { $0.insert(call) } }
        }
        try await withStoredVolumes(storage) { fixture in
            let volumes = try fixture.started()
            let engine = fixture.engine
            let calls: [@Sendable () async throws -> Void] = [
                { try await volumes.create("db", options: nil) },
                { _ = try await volumes.mount("db", id: "i", for: engine) },
                { try await volumes.unmount("db", id: "i") },
                { try await volumes.remove("db") },
            ]
            for call in calls {
                let task = Task { try await call() }
                for await _ in begun.stream { break }
                task.cancel()
                // It did not look, and so was done.
                try await task.value
            }
            #expect(cancelled.withLock { $0 } == [.create("db"), .mount("db")])
            #expect(fixture.storage.calls == [.create("db"), .mount("db"), .unmount("db"), .remove("db")])
            #expect(try volumes.list().isEmpty)
        }
    }
}
