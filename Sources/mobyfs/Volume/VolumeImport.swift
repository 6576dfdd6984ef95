// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import MobyFSDaemon
import MobyFSHost
import SystemPackage

extension VolumeCommand {
    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create a volume with what a tar stream holds.",
            discussion: """
                There is a volume when all of the stream is in it, and none before. Absolute names, names with "..", \
                and device nodes are not taken. A compressed stream goes through its program first: \
                "zcat FILE | mobyfs volume import NAME".
                """)

        @Argument(help: "The new volume's name.")
        var name: String

        @Option(name: .shortAndLong, help: "The file to read. (default: standard input)")
        var input: String?

        @Option(
            name: [.customShort("o"), .customLong("opt")],
            help: ArgumentHelp("An option, see mobyfs-volume-options(7). (repeatable)", valueName: "option=value"))
        var options: [String] = []

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                guard let input else {
                    guard isatty(STDIN_FILENO) == 0 else {
                        throw CommandFailure("there is no stream to read: give --input FILE, or a pipe", status: 64)
                    }
                    return try await load(from: .standardInput)
                }
                let descriptor: FileDescriptor
                do {
                    descriptor = try .open(FilePath(AbsolutePath.of(input)), .readOnly, options: .closeOnExec)
                } catch {
                    throw CommandFailure("'\(input)' cannot be read: \(error)")
                }
                try await load(from: descriptor)
                try descriptor.close()
            }
        }

        private func load(from descriptor: FileDescriptor) async throws {
            Interruption.isLeftToPrograms()
            let given = try GivenOptions.read(options)
            let draft = try await daemon.call(BeginDraft(name: name, options: given)).answer
            do {
                try await Progress.show(of: descriptor, bytes: Progress.size(of: descriptor)) {
                    try await TarProgram().extract(into: FilePath(draft.path), from: descriptor)
                }
                _ = try await daemon.call(CommitDraft(id: draft.id))
            } catch {
                _ = try await daemon.call(DiscardDraft(id: draft.id))
                throw error
            }
            print(TerminalText.line(name))
        }
    }
}
