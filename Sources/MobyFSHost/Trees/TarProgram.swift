// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
package import SystemPackage

/// GNU tar, for whole directories with owners, modes, extended attributes, ACLs, holes and hard links.
package struct TarProgram: Sendable {
    private static let attributes = ["--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls"]
    private static let tar = HelperProgram("tar", package: "tar")
    private static let wrapper = HelperProgram("setpriv", package: "util-linux")

    package init() {}

    /// Writes all that is in a directory, itself included, to a descriptor.
    ///
    /// Cancelling the task ends it.
    ///
    /// - Parameters:
    ///   - directory: What to write.
    ///   - output: Where to.
    ///   - mayChange: Whether it is no failure that files change meanwhile.
    /// - Throws: ``Failure``, ``HelperError`` if there is no tar, `CancellationError`.
    package func create(from directory: FilePath, to output: FileDescriptor, mayChange: Bool) async throws {
        let null = try FileDescriptor.open("/dev/null", .readWrite, options: .closeOnExec)
        defer { close(null.rawValue) }
        try await SealedDirectory.with(directory, for: .reading) { sealed in
            let arguments = ["--create", "--file=-", "--sparse", "--one-file-system", "--directory=\(sealed)", "."]
            try await Self.run(
                try Self.located(Self.tar), Self.attributes + arguments, input: null, output: output,
                // What tar ends with when all is written, but some of it changed at the same time.
                accepted: mayChange ? [0, 1] : [0])
        }
    }

    /// Fills a directory from a descriptor.
    ///
    /// All of it goes through here, as tar does not say what one has to know, see ``TarStream``. tar itself takes no names
    /// with `..`, and follows no link that the stream has made. Device nodes, by which containers would get at the host's
    /// disks, it cannot make for want of the capability. Cancelling the task ends it.
    ///
    /// - Parameters:
    ///   - directory: What to fill.
    ///   - input: The stream.
    ///   - transfer: Where to count what was read.
    /// - Throws: ``Failure``, ``HelperError`` if a program is missing, `CancellationError`; part of the stream may be in the
    ///   directory then.
    package func extract(
        into directory: FilePath, from input: FileDescriptor, counting transfer: TarTransfer
    ) async throws {
        let tar = try Self.located(Self.tar)
        let wrapper = try Self.located(Self.wrapper)
        let without = ["--bounding-set=-mknod", "--inh-caps=-mknod", "--", tar.string]
        let arguments = ["--extract", "--file=-", "--same-owner", "--preserve-permissions"]
        let null = try FileDescriptor.open("/dev/null", .readWrite, options: .closeOnExec)
        defer { close(null.rawValue) }
        let relay = try TarRelay(from: input, counting: transfer)
        try await withTaskCancellationHandler {
            async let isWhole = relay.run()
            do {
                // Only the program may have it: the relay has to notice when that ends.
                defer { close(relay.reading.rawValue) }
                try await SealedDirectory.with(directory, for: .writing) { sealed in
                    try await Self.run(
                        wrapper, without + Self.attributes + arguments + ["--directory=\(sealed)"],
                        input: relay.reading, output: null, accepted: [0])
                }
            } catch {
                // What is wrong with the stream tells more than what tar makes of the part that it got.
                relay.stop()
                _ = try await isWhole
                throw error
            }
            guard try await isWhole else { throw Failure(.damaged(at: transfer.bytes)) }
        } onCancel: {
            relay.stop()
        }
    }

    private static func located(_ program: HelperProgram) throws -> FilePath {
        guard let path = program.locate() else {
            throw HelperError(program: program.name, package: program.package, reason: .missing)
        }
        return path
    }

    private static func run(
        _ program: FilePath, _ arguments: [String], input: FileDescriptor, output: FileDescriptor,
        accepted: [Int32]
    ) async throws {
        let complaints = try HelperOutput()
        let command = ChildProcess.Command(
            path: program, arguments: [program.string] + arguments,
            environment: ProcessInfo.processInfo.environment.merging(["LC_ALL": "C"]) { _, own in own },
            hasOwnSession: false)
        let process = try await BlockingWork.run {
            try ChildProcess(command, input: input, output: output, errors: complaints.descriptor)
        }
        await withTaskCancellationHandler {
            await BlockingWork.run { process.watch() }
        } onCancel: {
            kill(process.processID, SIGKILL)
        }
        let ending = await BlockingWork.run { process.waitForEnd() }
        try Task.checkCancellation()
        switch ending {
        case .exited(let status) where accepted.contains(status): return
        case .signalled(SIGPIPE): throw Failure(.closedPipe)
        case .exited(let status): throw Failure(said: complaints.text, ending: "ended with status \(status)")
        case .signalled(let signal): throw Failure(said: complaints.text, ending: "ended by signal \(signal)")
        }
    }
}
