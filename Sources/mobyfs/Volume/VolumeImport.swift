// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import MobyFSDaemon
import MobyFSHost
import SystemPackage

extension VolumeCommand {
    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "import",
            abstract: "Create a volume with what a tar stream holds.",
            discussion: """
                There is a volume when all of the stream is in it, and none before. A stream that is cut off is refused, \
                as are absolute names, names with "..", hard links to such, and device nodes. Symbolic links are taken \
                as they are, wherever they lead: nobody but containers follows them. A compressed stream goes through \
                its program first: "zcat FILE | mobyfs volume import NAME". The options of the volume that was exported \
                are not in the stream: give those that the new one is to have.
                """)

        @Argument(help: "The new volume's name.")
        var name: String

        @Option(
            name: .shortAndLong, help: "The file to read; - for standard input. (default: standard input)",
            completion: .file())
        var input: String?

        @OptionGroup var options: GivenOptions

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                guard let input, input != "-" else {
                    guard isatty(STDIN_FILENO) == 0 else {
                        throw CommandFailure("there is no stream to read: give --input FILE, or a pipe", status: 2)
                    }
                    return try await load(from: .standardInput)
                }
                let path = FilePath(AbsolutePath.of(input))
                guard Directories.isDirectory(path) != true else {
                    throw CommandFailure(
                        "'\(input)' is a directory: 'tar -C \(input) -c . | mobyfs volume import \(name)' takes what is in it"
                    )
                }
                let descriptor: FileDescriptor
                do {
                    descriptor = try .open(path, .readOnly, options: .closeOnExec)
                } catch {
                    throw CommandFailure("'\(input)' cannot be read: \(error)")
                }
                try await load(from: descriptor)
                try descriptor.close()
            }
        }

        private func load(from descriptor: FileDescriptor) async throws {
            let given = try options.read()
            try await Interruption.cancels("interrupted; nothing was created") {
                let draft = try await daemon.call(BeginDraft(name: name, options: given)).answer
                do {
                    let transfer = TarTransfer()
                    try await Progress.show(of: transfer, bytes: Progress.size(of: descriptor)) {
                        try await TarProgram().extract(
                            into: FilePath(draft.path), from: descriptor, counting: transfer)
                        try Task.checkCancellation()
                        // From here on it is too late to say that nothing was created.
                        try await Task { _ = try await daemon.call(CommitDraft(id: draft.id)) }.value
                    }
                } catch {
                    let isGone = Directories.isDirectory(FilePath(draft.path)) != true
                    // Not cancelled as this task may be. The daemon finds out by itself too; the first error is why.
                    _ = try? await Task { _ = try await daemon.call(DiscardDraft(id: draft.id)) }.value
                    if isGone || (error as? CommandFailure)?.status == 2, !Task.isCancelled {
                        throw DaemonOptions.restarted
                    }
                    throw (error as? TarProgram.Failure).map { failure($0, given) } ?? error
                }
            }
            print(TerminalText.line(name))
        }

        private func failure(_ error: TarProgram.Failure, _ given: [String: String]) -> CommandFailure {
            let source = input.map { "'\($0)'" } ?? "standard input"
            guard case .full(let line) = error.reason else {
                return CommandFailure("\(source) cannot be imported as volume '\(name)': \(error)")
            }
            let way =
                given["size"].map { "a size of \($0) is too small: give a larger one with '-o size='" }
                ?? "make room in the pool, or give more with '-o size=' where the driver has a limit of its own"
            return CommandFailure("volume '\(name)' is full before all of \(source) is in it (tar: \(line)); \(way)")
        }
    }
}
