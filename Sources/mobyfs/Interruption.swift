// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import Synchronization
import SystemPackage

/// What Ctrl-C does, and a signal that means the same, while a command has something to take back or to say.
struct Interruption: Error {
    /// The signal.
    let number: CInt
    /// What has become of it all.
    let words: String

    private static let outlet = Atomic<CInt>(-1)

    /// Does something that is cancelled by a signal, and takes back itself then what it has done.
    ///
    /// - Parameters:
    ///   - words: What has become of it all.
    ///   - body: The work.
    /// - Throws: ``Interruption`` if there was a signal; what `body` throws.
    static func cancels(_ words: String, _ body: @escaping @Sendable () async throws -> Void) async throws {
        let work = Task(operation: body)
        let first = Mutex<CInt?>(nil)
        try watch { number in
            first.withLock { $0 = $0 ?? number }
            work.cancel()
        }
        do {
            try await work.value
        } catch {
            guard let number = first.withLock({ $0 }) else { throw error }
            throw Interruption(number: number, words: words)
        }
    }

    /// Does something that goes on in the daemon when a signal ends this program.
    ///
    /// - Parameters:
    ///   - place: What shows it once it is done.
    ///   - body: The work.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` does.
    static func leavesToDaemon<Result>(
        shownBy place: String, _ body: () async throws -> Result
    ) async throws -> Result {
        try watch { number in
            Interruption(
                number: number,
                words: "interrupted, and the daemon goes on with it: '\(place)' shows it when it is done"
            ).end()
        }
        return try await body()
    }

    /// Ends this program by the signal, as everybody expects.
    func end() -> Never {
        TerminalText.complain("mobyfs: \(words)")
        Self.end(by: number)
    }

    /// Ends this program as a signal does that it does not catch.
    static func end(by number: CInt) -> Never {
        signal(number, SIG_DFL)
        // Threads of the runtime may have it blocked.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, number)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        raise(number)
        exit(128 + number)
    }

    /// Calls `action` at each signal from now on; one that is ignored still is.
    private static func watch(_ action: @escaping @Sendable (CInt) -> Void) throws {
        let pipe = try naming("pipe") { try FileDescriptor.pipe() }
        for end in [pipe.readEnd, pipe.writeEnd] { try check(fcntl(end.rawValue, F_SETFD, FD_CLOEXEC), "fcntl") }
        outlet.store(pipe.writeEnd.rawValue, ordering: .sequentiallyConsistent)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            // A handler, for programs would inherit that a signal is ignored.
            let before = signal(number) { number in
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(Interruption.outlet.load(ordering: .sequentiallyConsistent), &byte, 1)
            }
            if let before, unsafeBitCast(before, to: Int.self) == 1 { signal(number, SIG_IGN) }
        }
        Task {
            await BlockingWork.run {
                var byte: UInt8 = 0
                while read(pipe.readEnd.rawValue, &byte, 1) == 1 { action(CInt(byte)) }
            }
        }
    }
}

/// Does something, and something else afterwards, pass or fail, cancelled or not; of two failures the first is told.
func finally(
    _ body: () async throws -> Void, do cleanUp: @escaping @Sendable () async throws -> Void
) async throws {
    do {
        try await body()
    } catch {
        // The first is why. A task of its own is not cancelled.
        try? await Task(operation: cleanUp).value
        throw error
    }
    try await Task(operation: cleanUp).value
}
