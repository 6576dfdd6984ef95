// SPDX-License-Identifier: Apache-2.0

import Dispatch
import MobyFSHost
import Testing

@Suite struct BlockingWorkTests {
    /// As many volumes as this may hang on dead servers, and all others are served.
    @Test(.timeLimit(.minutes(1)))
    func workThatHangsHoldsUpNoOther() async throws {
        let (hung, gate) = (200, DispatchSemaphore(value: 0))
        try await withThrowingTaskGroup { group in
            for _ in 0..<hung { group.addTask { await BlockingWork.run { gate.wait() } } }
            for number in 0..<100 {
                let result = await BlockingWork.run { number }
                #expect(result == number)
            }
            for _ in 0..<hung { gate.signal() }
            try await group.waitForAll()
        }
    }

    @Test func passesErrorsOn() async {
        await #expect(throws: CancellationError.self) {
            try await BlockingWork.run { () throws -> Void in throw CancellationError() }
        }
    }
}
