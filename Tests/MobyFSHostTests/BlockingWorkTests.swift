// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import MobyFSHost
import SystemPackage
import Testing

@Suite(.timeLimit(.minutes(2))) struct BlockingWorkTests {
    /// As many volumes as this may hang on dead servers, and all others are served.
    @Test(arguments: [false, true]) func workThatHangsHoldsUpNoOther(inTasksOfItsOwn: Bool) async throws {
        let (hung, gate) = (200, DispatchSemaphore(value: 0))
        try await withThrowingTaskGroup { group in
            for _ in 0..<hung {
                let executor: (any TaskExecutor)? = inTasksOfItsOwn ? BlockingWork.executor : nil
                group.addTask(executorPreference: executor) { await BlockingWork.run { gate.wait() } }
            }
            for number in 0..<100 {
                let result = await BlockingWork.run { number }
                let same = await Task(executorPreference: BlockingWork.executor) {
                    await BlockingWork.run { number }
                }.value
                #expect(result == number && same == number)
            }
            for _ in 0..<hung { gate.signal() }
            try await group.waitForAll()
        }
    }

    /// Changing threads takes longer than most of what is done there.
    @Test func aTaskStaysOnItsThreadUntilItWaits() async {
        let threads = await Task(executorPreference: BlockingWork.executor) {
            var threads: Set<pthread_t> = []
            for _ in 0..<100 { threads.insert(await BlockingWork.run { pthread_self() }) }
            return threads
        }.value
        #expect(threads.count == 1)
    }

    /// More at once than there may be threads.
    @Test func allIsDoneHoweverMuchThereIs() async {
        let sum = await withTaskGroup { group in
            for number in 0..<2000 {
                group.addTask(executorPreference: number.isMultiple(of: 2) ? BlockingWork.executor : nil) {
                    await BlockingWork.run {
                        usleep(1000)
                        return number
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(sum == 1999 * 1000)
    }

    @Test func passesErrorsOn() async {
        await #expect(throws: CancellationError.self) {
            try await BlockingWork.run { () throws -> Void in throw CancellationError() }
        }
    }

    @Test(arguments: [false, true]) func isNotWaitedForLongerThanAsked(inATaskOfItsOwn: Bool) async throws {
        let gate = DispatchSemaphore(value: 0)
        defer { gate.signal() }
        let executor: (any TaskExecutor)? = inATaskOfItsOwn ? BlockingWork.executor : nil
        let outcome = await Task(executorPreference: executor) {
            try await BlockingWork.run(until: .now + .milliseconds(50), "wait") { gate.wait() }
        }.result
        #expect(throws: SystemCallError("wait", .timedOut)) { try outcome.get() }
    }
}
