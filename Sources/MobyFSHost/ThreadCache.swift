// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import NIOConcurrencyHelpers
import Synchronization

/// Threads that wait a while for more work before they end.
final class ThreadCache: TaskExecutor {
    typealias Job = @Sendable () -> Void

    /// A thread, to those who have work for it.
    private final class Worker: Sendable {
        let bell = DispatchSemaphore(value: 0)
        private let job: Mutex<Job?>

        init(_ job: @escaping Job) {
            self.job = Mutex(job)
        }

        func take(_ job: @escaping Job) {
            self.job.withLock { $0 = job }
        }

        /// Does what it has taken, and keeps nothing of that.
        func work() {
            let job = job.withLock { job in
                defer { job = nil }
                return job
            }
            job?()
        }
    }

    private struct State {
        /// Who has nothing to do; the last to have worked is the first to work again.
        var idle: [Worker] = []
        var threads = 0
        /// What there is no thread for.
        var backlog: [Job] = []
    }

    /// So many volumes can hang before work on others has to wait.
    private static let limit = 512
    private static let patience = DispatchTimeInterval.seconds(10)

    /// Not a `Mutex`: one of those passes from thread to thread in order, so that where many want it at once, all wait for
    /// the next one to be woken.
    private let state = NIOLockedValueBox(State())
    /// Of the tasks that have threads, so many run at once, but for those that may be blocked just now: more of them would
    /// be in each other's way.
    private let turns = DispatchSemaphore(value: max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1))

    // MARK: - Tasks

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        run {
            self.turns.wait()
            job.runSynchronously(on: self.asUnownedTaskExecutor())
            self.turns.signal()
        }
    }

    /// Runs what may block in the middle of a task.
    func lettingOthersRun<Result>(_ body: () throws -> Result) rethrows -> Result {
        turns.signal()
        defer { turns.wait() }
        return try body()
    }

    // MARK: - Jobs

    /// Runs a job on a thread of its own, and waits for nothing.
    func run(_ job: @escaping Job) {
        let (idle, needsThread) = state.withLockedValue { state -> (Worker?, Bool) in
            if let idle = state.idle.popLast() { return (idle, false) }
            guard state.threads < Self.limit else {
                state.backlog.append(job)
                return (nil, false)
            }
            state.threads += 1
            return (nil, true)
        }
        if let idle {
            idle.take(job)
            idle.bell.signal()
        } else if needsThread {
            let worker = Worker(job)
            if !startThread(of: worker) { doWithout(worker, job) }
        }
    }

    /// Has a job done for which the system had no thread to spare.
    private func doWithout(_ worker: Worker, _ job: @escaping Job) {
        let (idle, isAlone) = state.withLockedValue { state -> (Worker?, Bool) in
            if let idle = state.idle.popLast() {
                state.threads -= 1
                return (idle, false)
            }
            // Without any other, one of Dispatch's has to do.
            if state.threads == 1 { return (nil, true) }
            state.threads -= 1
            state.backlog.append(job)
            return (nil, false)
        }
        if let idle {
            idle.take(job)
            idle.bell.signal()
        } else if isAlone {
            DispatchQueue.global().async { self.work(as: worker) }
        }
    }

    /// What a thread is started with.
    private final class Start: Sendable {
        let cache: ThreadCache
        let worker: Worker

        init(_ cache: ThreadCache, _ worker: Worker) {
            self.cache = cache
            self.worker = worker
        }
    }

    /// Starts a thread.
    ///
    /// - Returns: Whether the system gave one.
    private func startThread(of worker: Worker) -> Bool {
        var thread = pthread_t()
        let start = Unmanaged.passRetained(Start(self, worker))
        let failure = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                start.cache.work(as: start.worker)
                return nil
            }, start.toOpaque())
        guard failure == 0 else {
            start.release()
            return false
        }
        pthread_detach(thread)
        return true
    }

    private func work(as worker: Worker) {
        repeat { worker.work() } while findWork(for: worker)
    }

    /// Waits for more to do.
    ///
    /// - Returns: Whether there is; if not, the thread is to end.
    private func findWork(for worker: Worker) -> Bool {
        let job = state.withLockedValue { state -> Job? in
            guard state.backlog.isEmpty else { return state.backlog.removeFirst() }
            state.idle.append(worker)
            return nil
        }
        if let job {
            worker.take(job)
            return true
        }
        if worker.bell.wait(timeout: .now() + Self.patience) == .success { return true }
        let isOver = state.withLockedValue { state in
            guard let index = state.idle.firstIndex(where: { $0 === worker }) else { return false }
            state.idle.remove(at: index)
            state.threads -= 1
            return true
        }
        // Somebody is just about to ring.
        if !isOver { worker.bell.wait() }
        return !isOver
    }
}
