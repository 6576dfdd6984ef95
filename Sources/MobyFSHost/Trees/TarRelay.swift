// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import SystemPackage

/// How much of a stream has been read, for whoever shows that.
package final class TarTransfer: Sendable {
    private let count = Atomic<UInt64>(0)
    private let hasEnded = Atomic<Bool>(false)

    package init() {}

    /// How many bytes were read.
    package var bytes: UInt64 { count.load(ordering: .relaxed) }
    /// Whether these are all.
    package var isRead: Bool { hasEnded.load(ordering: .relaxed) }

    fileprivate func add(_ bytes: Int) { count.add(UInt64(bytes), ordering: .relaxed) }
    fileprivate func end() { hasEnded.store(true, ordering: .relaxed) }
}

/// Reads a tar stream and passes it on to a program while it looks at it.
final class TarRelay: Sendable {
    private static let chunk = 1 << 17

    /// Where the program reads; closed by whoever has started that.
    let reading: FileDescriptor
    private let writing: FileDescriptor
    private let input: FileDescriptor
    private let transfer: TarTransfer
    /// A pipe that says by its end that there is to be an end.
    private let stopped: FileDescriptor
    private let stopping: Mutex<FileDescriptor?>

    init(from input: FileDescriptor, counting transfer: TarTransfer) throws {
        (reading, writing) = try Self.pipe()
        let stop = try Self.pipe()
        stopped = stop.reading
        stopping = Mutex(stop.writing)
        self.input = input
        self.transfer = transfer
    }

    deinit {
        stop()
        close(stopped.rawValue)
    }

    /// Passes on all of it.
    ///
    /// - Returns: Whether it is whole; it need not be if the program or ``stop()`` ended it.
    /// - Throws: ``TarProgram/Failure`` if it is not whole, or has in it what no volume takes; the program does not get more
    ///   than that then. The error if it cannot be read.
    func run() async throws -> Bool {
        try await BlockingWork.run { [self] in
            defer { close(writing.rawValue) }
            // A program that ends early is an error to hear of, and not the end of this one.
            let ignored = signal(SIGPIPE, SIG_IGN)
            defer { signal(SIGPIPE, ignored) }
            var stream = TarStream()
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.chunk, alignment: 16)
            defer { buffer.deallocate() }
            while try waitForInput() {
                let count = try input.read(into: buffer)
                guard count > 0 else {
                    transfer.end()
                    try stream.finish()
                    return true
                }
                transfer.add(count)
                let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                try stream.read(bytes)
                do {
                    try writing.writeAll(bytes)
                } catch Errno.brokenPipe {
                    // It says why.
                    return stream.isWhole
                }
            }
            return false
        }
    }

    /// Ends it where it waits.
    func stop() {
        stopping.withLock { descriptor in
            if let descriptor { close(descriptor.rawValue) }
            descriptor = nil
        }
    }

    /// Waits for more, or its end.
    ///
    /// - Returns: Whether to go on.
    private func waitForInput() throws -> Bool {
        var waited = [
            pollfd(fd: input.rawValue, events: Int16(POLLIN), revents: 0),
            pollfd(fd: stopped.rawValue, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&waited, 2, -1) < 0 {
            guard errno == EINTR else { throw SystemCallError("poll", Errno(rawValue: errno)) }
        }
        return waited[1].revents == 0
    }

    private static func pipe() throws -> (reading: FileDescriptor, writing: FileDescriptor) {
        let ends = try naming("pipe") { try FileDescriptor.pipe() }
        for end in [ends.readEnd, ends.writeEnd] { try check(fcntl(end.rawValue, F_SETFD, FD_CLOEXEC), "fcntl") }
        return (ends.readEnd, ends.writeEnd)
    }
}
