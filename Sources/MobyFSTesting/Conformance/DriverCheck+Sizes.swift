// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSVolumes
import SystemPackage
import Testing

extension DriverCheck {
    /// `size=`: hard or refused.
    static let sizes = [
        DriverCheck("a volume holds what it is to hold and no more", hardSize),
        DriverCheck("a size that cannot be enforced is refused", refusedSize),
        DriverCheck("a size that makes no sense is refused", badSizes),
        DriverCheck("a volume grows while nobody holds it", growIdle),
        DriverCheck("a volume grows while it is in use", growInUse),
        DriverCheck("a volume shrinks where that is safe, else not at all", shrink),
    ]

    private static func hardSize(_ run: DriverRun) async throws {
        guard case .enforced(let small, _, _) = run.fixture.sizes else { return }
        let size = try #require(ByteSize(small))
        try await run.create("db", ["size": small])
        try await run.create("other", ["size": small])
        try await run.withMounted("db") { path in
            try path.appending("first").write("precious")
            try await run.fill(path, of: size)
            // Who is beside it has room, and so has who makes room.
            try await run.withMounted("other") { try $0.appending("file").write("precious") }
            #expect(unlink(path.appending("filler").string) == 0)
            try await run.fill(path, of: size)
            try path.expectText("precious", in: "first")
        }
        await run.restart()
        try await run.withMounted("db") { path in
            #expect(unlink(path.appending("filler").string) == 0)
            try await run.fill(path, of: size)
            try path.expectText("precious", in: "first")
        }
        try await run.reboot()
        guard run.fixture.isLasting else { return }
        try await run.withMounted("db") { path in
            #expect(unlink(path.appending("filler").string) == 0)
            try await run.fill(path, of: size)
        }
    }

    private static func refusedSize(_ run: DriverRun) async throws {
        guard case .refused = run.fixture.sizes else { return }
        let error = await #expect(throws: VolumeError.self) { try await run.create("db", ["size": "64MiB"]) }
        #expect(error?.code == .invalidArgument)
        let able = try await run.volumes.driverFacts().filter { $0.size == .enforced && $0.lacks.isEmpty }.map(
            \.info.name)
        #expect(!able.isEmpty && able.allSatisfy { "\(error?.message ?? "")".contains($0) }, "\(able) are not named")
        #expect(run.volumes.counts.volumes == 0)
        try await run.create("db")
        let refusal = await #expect(throws: VolumeError.self) { _ = try await run.volumes.resize("db", to: "64MiB") }
        #expect(refusal?.code == .invalidArgument)
        #expect(try run.volumes.describe("db").volume?.options.size == nil)
    }

    private static func badSizes(_ run: DriverRun) async throws {
        for size in ["0", "10", "-1", "1.5.5G", "64 MiB of RAM", "", "99999999999999999999"] {
            let error = await #expect(throws: VolumeError.self, "\(size)") {
                try await run.create("db", ["size": size])
            }
            #expect(error?.code == .invalidArgument)
        }
        try await run.expectNothingLeft()
    }

    private static func growIdle(_ run: DriverRun) async throws {
        guard case .enforced(let small, let large, _) = run.fixture.sizes else { return }
        try await run.create("db", ["size": small])
        try await run.withMounted("db") { try $0.appending("first").write("precious") }
        #expect(try await run.volumes.resize("db", to: large) == ByteSize(large))
        try await run.expectGrown("db", from: small, to: large)
    }

    private static func growInUse(_ run: DriverRun) async throws {
        guard case .enforced(let small, let large, _) = run.fixture.sizes else { return }
        try await run.create("db", ["size": small])
        let path = try await run.mount("db")
        try path.appending("first").write("precious")
        if let obstacle = run.fixture.obstacleToGrowth {
            await withKnownIssue("\(obstacle)") { _ = try await run.volumes.resize("db", to: large) }
            return try await run.unmount("db")
        }
        #expect(try await run.volumes.resize("db", to: large) == ByteSize(large))
        try await run.expectGrown("db", from: small, to: large)
        try await run.unmount("db")
        await run.restart()
        try await run.withMounted("db") { path in
            try path.expectText("precious", in: "first")
            #expect(unlink(path.appending("filler").string) == 0)
            try await run.fill(path, of: try #require(ByteSize(large)))
        }
    }

    private static func shrink(_ run: DriverRun) async throws {
        guard case .enforced(let small, let large, let shrinks) = run.fixture.sizes else { return }
        let (less, more) = (try #require(ByteSize(small)), try #require(ByteSize(large)))
        try await run.create("db", ["size": large])
        try await run.withMounted("db") { path in
            try path.appending("first").write("precious")
            try await run.write(less.bytes + 1 << 20, to: path.appending("more"))
        }
        // Never below what is in it.
        await #expect(throws: VolumeError.self) { _ = try await run.volumes.resize("db", to: small) }
        try await run.withMounted("db") { path in
            try path.expectText("precious", in: "first")
            try await run.fill(path, of: more)
            for name in ["more", "filler"] { #expect(unlink(path.appending(name).string) == 0) }
        }
        var size = more
        do {
            size = try await run.volumes.resize("db", to: small)
            #expect(size == less)
        } catch {
            #expect(!shrinks, "\(error)")
        }
        #expect(try run.volumes.describe("db").volume?.options.size == size)
        try await run.withMounted("db") { path in
            try path.expectText("precious", in: "first")
            try await run.fill(path, of: size)
        }
    }
}

extension DriverRun {
    /// The volume holds more than was too much before, less than is too much now, and what it held.
    fileprivate func expectGrown(_ name: String, from small: String, to large: String) async throws {
        let (before, after) = (try #require(ByteSize(small)), try #require(ByteSize(large)))
        try await withMounted(name) { path in
            try path.expectText("precious", in: "first")
            try await write(before.bytes + 1 << 20, to: path.appending("more"))
            try await fill(path, of: after)
        }
        #expect(try volumes.describe(name).volume?.options.size == after)
    }

    /// Writes until there is no more room; that comes in time, and as an error that programs understand.
    fileprivate func fill(
        _ path: FilePath, of size: ByteSize, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let filler = path.appending("filler")
        let error = await #expect(throws: HelperError.self, sourceLocation: sourceLocation) {
            try await write(size.bytes + 8 << 20, to: filler)
        }
        let line = error?.lastLine ?? ""
        let isClear = line.hasSuffix("No space left on device") || line.hasSuffix("Disk quota exceeded")
        #expect(isClear, "\(line)", sourceLocation: sourceLocation)
        var status = stat()
        #expect(lstat(filler.string, &status) == 0, sourceLocation: sourceLocation)
        #expect(UInt64(status.st_blocks) * 512 <= size.bytes, "more than \(size)", sourceLocation: sourceLocation)
    }

    /// Writes bytes that cannot be made fewer, as a container's process would: SYS_RESOURCE is above quotas.
    fileprivate func write(_ count: UInt64, to file: FilePath) async throws {
        let program = HelperProgram("setpriv", package: "util-linux")
        let blocks = "count=\((count + 1 << 20 - 1) >> 20)"
        try await program.run(
            [
                "--bounding-set=-sys_resource", "--inh-caps=-sys_resource", "dd", "if=/dev/urandom", "of=\(file)",
                "bs=1M",
                blocks, "conv=fsync", "status=none",
            ], until: .now + .seconds(100))
    }
}
