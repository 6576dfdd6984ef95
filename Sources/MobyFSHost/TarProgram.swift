// SPDX-License-Identifier: Apache-2.0

import Subprocess
package import SystemPackage

/// GNU tar, for whole directories with owners, modes, extended attributes, ACLs, holes and hard links.
package struct TarProgram: Sendable {
    /// Why a stream was not written or read whole.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    private static let attributes = ["--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls"]
    private static let tar = HelperProgram("tar", package: "tar")
    private static let wrapper = HelperProgram("setpriv", package: "util-linux")

    package init() {}

    /// Writes all that is in a directory, itself included, to a descriptor.
    ///
    /// - Throws: ``Failure``, ``HelperError`` if there is no tar.
    package func create(from directory: FilePath, to output: FileDescriptor) async throws {
        let arguments = ["--create", "--file=-", "--sparse", "--one-file-system", "--directory=\(directory)", "."]
        try await run(try Self.located(Self.tar), Self.attributes + arguments, input: nil, output: output)
    }

    /// Fills a directory from a descriptor.
    ///
    /// tar itself takes no absolute names, none with `..`, and follows no link that the stream has made. Device nodes, by
    /// which containers would get at the host's disks, it cannot make for want of the capability.
    ///
    /// - Throws: ``Failure``, ``HelperError`` if a program is missing; part of the stream may be in the directory then.
    package func extract(into directory: FilePath, from input: FileDescriptor) async throws {
        let tar = try Self.located(Self.tar)
        let without = ["--bounding-set=-mknod", "--inh-caps=-mknod", "--", tar.string]
        let arguments = ["--extract", "--file=-", "--same-owner", "--preserve-permissions", "--directory=\(directory)"]
        try await run(
            try Self.located(Self.wrapper), without + Self.attributes + arguments, input: input, output: nil)
    }

    private static func located(_ program: HelperProgram) throws -> FilePath {
        guard let path = program.locate() else {
            throw HelperError(program: program.name, package: program.package, reason: .missing)
        }
        return path
    }

    private func run(
        _ program: FilePath, _ arguments: [String], input: FileDescriptor?, output: FileDescriptor?
    ) async throws {
        let null = try FileDescriptor.open("/dev/null", .readWrite, options: .closeOnExec)
        let result = try await Subprocess.run(
            .path(program), arguments: Arguments(arguments),
            environment: .inherit.updating(["LC_ALL": "C"]), workingDirectory: "/",
            input: .fileDescriptor(input ?? null, closeAfterSpawningProcess: false),
            output: .fileDescriptor(output ?? null, closeAfterSpawningProcess: false), error: .string(limit: 1 << 16))
        try null.close()
        switch result.terminationStatus {
        case .exited(0): return
        case .exited, .signaled:
            // The last lines only say that there were others.
            let lines = result.standardError.split(separator: "\n").filter { line in
                !["due to previous errors", "exiting now"].contains { line.hasSuffix($0) }
            }
            throw Failure(description: lines.last.map(String.init) ?? "tar: \(result.terminationStatus)")
        }
    }
}
