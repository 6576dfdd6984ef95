// SPDX-License-Identifier: Apache-2.0

import MobyFSTesting
import SystemPackage
import Testing

@testable import MobyFSHost

/// Streams of the real tar, in the pieces that they come in.
@Suite struct TarStreamTests {
    /// Long names, links, attributes, and more holes than a header of any format has a place for.
    private static let tree = """
        mkdir e; cd e; echo short >a; ln a b; ln -s a c; mkfifo p; mkdir d; seq 3000 >numbers
        for i in $(seq 60); do printf x | dd of=holes bs=1 seek=$((i * 65536)) conv=notrunc 2>/dev/null; done
        """
    private static let long = "n=$(seq -s n 50); mkdir $n; echo long >$n/$n; ln $n/$n $n/l; ln -s $n/$n $n/s"

    private func stream(of format: String) async throws -> [UInt8] {
        try await withTemporaryDirectory { root in
            try await HelperProgram("sh", package: "dash").run(
                ["-euc", "cd '\(root)'\n\(Self.tree)\n\(Self.long)\ntar -S --format=\(format) -cf ../t ."],
                until: .now + .seconds(30))
            let file = try FileDescriptor.open(root.appending("t"), .readOnly)
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = try chunk.withUnsafeMutableBytes { try file.read(into: $0) }
                guard count > 0 else { break }
                bytes += chunk[..<count]
            }
            try file.close()
            return bytes
        }
    }

    private func read(_ bytes: some Collection<UInt8>, inPiecesOf size: Int) throws -> TarStream {
        var stream = TarStream()
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(size))
            try piece.withUnsafeBytes { try stream.read($0) }
            rest = rest.dropFirst(size)
        }
        return stream
    }

    @Test(arguments: ["oldgnu", "gnu", "posix"])
    func areWholeWithTheirEndMarkAlone(format: String) async throws {
        let bytes = try await stream(of: format)
        for size in [1, 511, 512, 513, 70_000] {
            let stream = try read(bytes, inPiecesOf: size)
            try stream.finish()
            #expect(stream.isWhole && stream.count == UInt64(bytes.count))
        }
        let last = try #require(bytes.lastIndex { $0 != 0 })
        let end = (last / 512 + 3) * 512
        try read(bytes.prefix(end), inPiecesOf: 4096).finish()
        for cut in stride(from: 512, to: end, by: 512).map({ $0 }) + [end - 1, 513, 1000] {
            let stream = try read(bytes.prefix(cut), inPiecesOf: 4096)
            #expect(throws: TarProgram.Failure(.cutOff(after: UInt64(cut)))) { try stream.finish() }
        }
    }

    @Test func areDamagedWhereAHeaderIs() async throws {
        var bytes = try await stream(of: "posix")
        bytes[3] ^= 1
        #expect(throws: TarProgram.Failure(.notTar("it does not begin as one does"))) {
            _ = try read(bytes, inPiecesOf: 4096)
        }
    }
}
