// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import MobyFSDaemon
import MobyFSHost
import SystemPackage

extension VolumeCommand {
    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "export",
            abstract: "Write all that a volume, or a snapshot of one, holds as a tar stream.",
            discussion: """
                The stream has owners, modes, extended attributes, ACLs, hard links and holes. A volume in use is \
                refused, for its files change meanwhile: make a snapshot and export that, or give --live.
                """)

        @Argument(help: "A volume, or VOLUME@SNAPSHOT.", completion: .volumeNames)
        var name: String

        // Not -o, which is --opt of the other commands.
        @Option(help: "The file to write; - for standard output. (default: standard output)", completion: .file())
        var output: String?

        @Flag(help: "Export a volume in use as well, each file as it is when its turn comes.")
        var live = false

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                guard let output, output != "-" else {
                    guard isatty(STDOUT_FILENO) == 0 else {
                        throw CommandFailure(
                            "a tar stream is nothing for a terminal: give --output FILE, or a pipe", status: 2)
                    }
                    return try await Interruption.cancels("interrupted; the stream is not whole") {
                        try await export(to: .standardOutput)
                    }
                }
                try await Interruption.cancels("interrupted; no file was written") {
                    try await PartialFile.write(to: FilePath(AbsolutePath.of(output))) { try await export(to: $0) }
                }
            }
        }

        private func export(to descriptor: FileDescriptor) async throws {
            try await daemon.require(name)
            guard name.contains("@") else {
                let held = try await daemon.call(HoldVolume(name: name, shared: live)).answer
                try await finally {
                    let usage = try? await daemon.call(ListUsage(names: [name])).answer.volumes.first
                    try await write(held.path, to: descriptor, bytes: usage?.used)
                } do: {
                    // It ends with this process as well, if the daemon is being restarted.
                    do {
                        _ = try await daemon.call(ReleaseVolume(name: name, id: held.id))
                    } catch let error as CommandFailure where error.status == 2 {}
                }
                return
            }
            let draft = try await daemon.call(BeginDraft(name: nil, options: ["from": name])).answer
            try await finally {
                do {
                    try await write(draft.path, to: descriptor, bytes: nil)
                    // Else tar may have missed what was deleted before it came there.
                    guard Directories.isDirectory(FilePath(draft.path)) == true else { throw DaemonOptions.restarted }
                } catch let error as CommandFailure where Directories.isDirectory(FilePath(draft.path)) != true {
                    throw error.status == 2 ? error : DaemonOptions.restarted
                }
            } do: {
                _ = try await daemon.call(DiscardDraft(id: draft.id))
            }
        }

        private func write(_ path: String, to descriptor: FileDescriptor, bytes: UInt64?) async throws {
            do {
                try await Progress.show(of: descriptor, bytes: bytes) {
                    try await TarProgram().create(from: FilePath(path), to: descriptor, mayChange: live)
                }
            } catch let error as TarProgram.Failure {
                throw failure(error)
            }
        }

        private func failure(_ error: TarProgram.Failure) -> any Error {
            switch error.reason {
            case .closedPipe: error
            case .changed:
                CommandFailure(
                    "volume '\(name)' cannot be exported: \(error); make a snapshot and export that, or give --live")
            case .full:
                CommandFailure(
                    "volume '\(name)' cannot be exported: there is no room left for '\(output ?? "standard output")'")
            default: CommandFailure("volume '\(name)' cannot be exported: \(error)")
            }
        }
    }
}
