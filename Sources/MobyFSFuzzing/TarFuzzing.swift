// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import SystemPackage

enum TarFuzzing {
    /// The verdict does not hang on the pieces in which the stream comes.
    static func check(_ bytes: [UInt8]) throws {
        try checkPieces(of: bytes)
        try checkPieces(of: sealed(bytes))
    }

    /// The same with sums in the headers that are right, which no fuzzer finds.
    private static func sealed(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for start in stride(from: 0, to: bytes.count - 511, by: 512)
        where bytes[(start + 257)..<(start + 262)].elementsEqual("ustar".utf8) {
            let place = (start + 148)..<(start + 156)
            bytes.replaceSubrange(place, with: "        ".utf8)
            let digits = String(bytes[start..<(start + 512)].reduce(0) { $0 + Int($1) }, radix: 8)
            bytes.replaceSubrange(
                place, with: Array("\(String(repeating: "0", count: 6 - digits.count))\(digits)\0 ".utf8))
        }
        return bytes
    }

    private static func checkPieces(of bytes: [UInt8]) throws {
        let verdict = verdict(bytes, inPiecesOf: max(1, bytes.count))
        for size in [1, 7, 512, 700] {
            let other = Self.verdict(bytes, inPiecesOf: size)
            try FuzzFinding.require(
                other == verdict, "in pieces of \(size): '\(other ?? "whole")'; else: '\(verdict ?? "whole")'")
        }
    }

    /// What is wrong with a stream; nil if nothing is.
    private static func verdict(_ bytes: [UInt8], inPiecesOf size: Int) -> String? {
        var stream = TarStream()
        do {
            for start in stride(from: 0, to: bytes.count, by: size) {
                let piece = bytes[start..<min(start + size, bytes.count)]
                try piece.withUnsafeBytes { try stream.read($0) }
            }
            try stream.finish()
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// tar writes nothing beside the folder, and no device into it.
    static func extract(_ bytes: [UInt8]) throws {
        let bytes = sealed(bytes)
        try withScratchDirectory { root in
            let stream = root.appending("stream")
            let folder = root.appending("folder")
            try write(bytes, to: stream)
            try Directories.create(folder, mode: 0o700, isDurable: false)
            let isExtracted = try waiting {
                let input = try FileDescriptor.open(stream, .readOnly)
                defer { close(input.rawValue) }
                do {
                    try await TarProgram().extract(into: folder, from: input, counting: TarTransfer())
                    return true
                } catch is TarProgram.Failure {
                    return false
                }
            }
            let beside = Set(try Directories.entries(of: root))
            try FuzzFinding.require(beside == ["stream", "folder"], "\(beside) is in the folder's folder")
            try checkDevices(folder)
            let accepted = verdict(bytes, inPiecesOf: bytes.count + 1) == nil
            try FuzzFinding.require(accepted || !isExtracted, "a stream that makes no sense is extracted")
        }
    }

    private static func checkDevices(_ folder: FilePath) throws {
        for entry in try Directories.entries(of: folder) {
            var status = stat()
            let path = folder.appending(entry)
            guard lstat(path.string, &status) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: try checkDevices(path)
            case S_IFBLK: throw FuzzFinding(description: "'\(path)' is a device")
            // By 0:0 overlay file systems say that a file is deleted.
            case S_IFCHR where status.st_rdev != 0: throw FuzzFinding(description: "'\(path)' is a device")
            default: break
            }
        }
    }
}
