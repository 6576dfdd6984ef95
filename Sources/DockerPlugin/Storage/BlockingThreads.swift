// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Runs each piece of a task on a new thread, so that it may block: in mount(2), in fsync(2) on a slow disk, on a
/// server that does not answer.
///
/// Swift's own threads are as many as there are processors, and shared by everything in the process. Volumes are
/// created and mounted now and then only, so a thread costs nothing that anybody would notice.
final class BlockingThreads: TaskExecutor {
    private final class Start: Sendable {
        let job: UnownedJob
        let executor: UnownedTaskExecutor

        init(_ job: UnownedJob, on executor: UnownedTaskExecutor) {
            self.job = job
            self.executor = executor
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let start = Unmanaged.passRetained(Start(UnownedJob(job), on: asUnownedTaskExecutor()))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                start.job.runSynchronously(on: start.executor)
                return nil
            }, start.toOpaque())
        if failure == 0 {
            pthread_detach(thread)
        } else {
            // The system has no thread to spare: one of Swift's has to do.
            globalConcurrentExecutor.enqueue(ExecutorJob(start.takeRetainedValue().job))
        }
    }
}
