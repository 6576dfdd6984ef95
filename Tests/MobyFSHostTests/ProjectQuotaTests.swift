// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// Project quotas of the kernel's; `virtual-machine` has a kernel for those whose own has none.
@Suite struct ProjectQuotaTests {
    private static let numbers: ClosedRange<UInt32> = 7_000_000...7_999_999
    private static let mebibyte: UInt64 = 1 << 20

    private func directory(_ name: String, in root: FilePath) throws -> FilePath {
        let path = root.appending(name)
        try Directories.create(path, mode: 0o777)
        return path
    }

    /// How much there is and how much is left, as `df` says it.
    private func room(in path: FilePath) throws -> (all: UInt64, left: UInt64) {
        var status = statvfs()
        try #require(statvfs(path.string, &status) == 0)
        return (UInt64(status.f_frsize) * UInt64(status.f_blocks), UInt64(status.f_frsize) * UInt64(status.f_bfree))
    }

    private func expectFull(_ file: FilePath, _ write: () async throws -> Void) async throws {
        let error = await #expect(throws: HelperError.self) { try await write() }
        let line = error?.lastLine ?? ""
        #expect(line.hasSuffix("No space left on device") || line.hasSuffix("Disk quota exceeded"), "\(line)")
    }

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases, [false, true])
    func holdsAProjectToItsLimit(type: QuotaFileSystem, byDevice: Bool) async throws {
        try await type.with { root in
            let quota = try ProjectQuota(of: root, byDevice: byDevice)
            #expect(try quota.state() == .enforcing)
            let (path, other) = (try directory("one", in: root), try directory("other", in: root))
            let id = try quota.reserve(for: path, in: Self.numbers)
            let otherID = try quota.reserve(for: other, in: Self.numbers)
            #expect(id != otherID)
            #expect(try ProjectMembership(of: path) == ProjectMembership(id: id, inherits: true))
            try quota.setLimit(4 * Self.mebibyte, of: id)
            try quota.setLimit(4 * Self.mebibyte, of: otherID)
            #expect(try quota.usage(of: id).limitBytes == 4 * Self.mebibyte)

            try await Contained.write(mebibytes: 2, to: path.appending("fits"))
            try await expectFull(path) { try await Contained.write(mebibytes: 8, to: path.appending("more")) }
            let usage = try quota.usage(of: id)
            #expect((3 * Self.mebibyte...4 * Self.mebibyte).contains(usage.usedBytes), "\(usage)")
            #expect(usage.usedInodes == 3)
            // The neighbour has all of its own.
            try await Contained.write(mebibytes: 2, to: other.appending("fits"))
            #expect(try quota.usage(of: otherID).usedInodes == 2)

            try quota.setLimit(8 * Self.mebibyte, of: id)
            try await Contained.write(mebibytes: 5, to: path.appending("more"))
        }
    }

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func showsTheLimitAsTheSizeOfTheDisk(type: QuotaFileSystem) async throws {
        try await type.with { root in
            let quota = try ProjectQuota(of: root)
            let path = try directory("one", in: root)
            try quota.setLimit(4 * Self.mebibyte, of: try quota.reserve(for: path, in: Self.numbers))
            try await Contained.write(mebibytes: 1, to: path.appending("file"))
            let room = try room(in: path)
            #expect(room.all == 4 * Self.mebibyte)
            #expect((2 * Self.mebibyte...3 * Self.mebibyte).contains(room.left), "\(room)")
        }
    }

    /// Not even an entry stays: the next who looks for a free number finds this one.
    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func forgetsAProjectWithoutLimitAndFiles(type: QuotaFileSystem) async throws {
        try await type.with { root in
            let quota = try ProjectQuota(of: root)
            let path = try directory("one", in: root)
            let id = try quota.reserve(for: path, in: Self.numbers)
            try quota.setLimit(4 * Self.mebibyte, of: id)
            try path.appending("file").write("text")
            #expect(try quota.next(from: 1)?.id == id)
            try TreeRemover.remove(path)
            #expect(try quota.usage(of: id).limitBytes == 4 * Self.mebibyte)
            try quota.setLimit(nil, of: id)
            // xfs gives the space of deleted files back a little later, and keeps count of it until then.
            try await eventually("nothing is left of the project") { try quota.next(from: 1) == nil }
            #expect(try quota.usage(of: id).isFree)
        }
    }

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func givesNoNumberTwice(type: QuotaFileSystem) async throws {
        try await type.with { root in
            let quota = try ProjectQuota(of: root)
            let range: ClosedRange<UInt32> = 9_000_000...9_000_004
            let paths = try (0..<3).map { try directory("d\($0)", in: root) }
            try ProjectMembership(id: range.lowerBound, inherits: true).apply(to: paths[0])
            try quota.setLimit(Self.mebibyte, of: range.lowerBound + 1)
            let named: Set<UInt32> = [range.lowerBound + 2]
            let found = [
                try quota.reserve(for: paths[1], in: range, avoiding: named),
                try quota.reserve(for: paths[2], in: range, avoiding: named),
            ]
            #expect(Set(found) == [range.lowerBound + 3, range.lowerBound + 4])
            let last = try directory("last", in: root)
            let error = #expect(throws: SystemCallError.self) {
                try ProjectQuota(of: root).reserve(for: last, in: range, avoiding: named)
            }
            #expect(error?.errno == .noSpace)
            #expect(try ProjectMembership(of: last) == .none)
        }
    }

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func givesNoNumberToTwoAtOnce(type: QuotaFileSystem) async throws {
        try await type.with { root in
            // So few that some draw the same.
            let range: ClosedRange<UInt32> = 9_000_000...9_000_023
            let ids = try await withThrowingTaskGroup(of: UInt32.self) { group in
                for index in 0..<16 {
                    let path = try directory("d\(index)", in: root)
                    group.addTask {
                        try await BlockingWork.run { try ProjectQuota(of: root).reserve(for: path, in: range) }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(ids).count == 16)
        }
    }

    @Test(.needsProjectQuotas, arguments: [QuotaFileSystem.Quotas.counted, .off], QuotaFileSystem.allCases)
    func seesThatLimitsDoNotHold(quotas: QuotaFileSystem.Quotas, type: QuotaFileSystem) async throws {
        try await type.with(quotas: quotas) { root in
            let quota = try ProjectQuota(of: root)
            let isCounted = type == .ext4 && quotas == .counted
            #expect(try quota.state() == (isCounted ? .counting : .off))
            #expect(try quota.isOn() == isCounted)
        }
    }

    @Test func seesThatAFileSystemHasNoProjects() throws {
        let quota = try ProjectQuota(of: "/proc")
        #expect(try quota.state() == .impossible)
        #expect(try ProjectMembership(of: "/proc") == .none)
    }

    // MARK: - What does not hold

    /// To know when a kernel changes it: a quota does not bind who knows of it, unless in a user namespace.
    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func theOwnerOfAFileCanTakeItOut(type: QuotaFileSystem) async throws {
        try await type.with { root in
            let quota = try ProjectQuota(of: root)
            let path = try directory("one", in: root)
            let id = try quota.reserve(for: path, in: Self.numbers)
            try await Contained.write(mebibytes: 1, to: path.appending("file"))
            #expect(try quota.usage(of: id).usedInodes == 2)
            try await Contained.run(
                "chattr", ["-p", "0", path.appending("file").string], until: .now + .seconds(100))
            #expect(try quota.usage(of: id).usedInodes == 1)
            // From within a user namespace nobody can.
            try await Contained.write(mebibytes: 1, to: path.appending("second"))
            await #expect(throws: HelperError.self) {
                try await Contained.run(
                    "unshare", ["--user", "chattr", "-p", "0", path.appending("second").string],
                    until: .now + .seconds(100))
            }
            #expect(try quota.usage(of: id).usedInodes == 2)
        }
    }

    /// CAP_SYS_RESOURCE is above the quotas of ext4: the engine has it, and containers with `--privileged`.
    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func ext4LetsThePrivilegedWriteMore(type: QuotaFileSystem) async throws {
        try await type.with { root in
            let quota = try ProjectQuota(of: root)
            let path = try directory("one", in: root)
            try quota.setLimit(Self.mebibyte, of: try quota.reserve(for: path, in: Self.numbers))
            let program = HelperProgram("dd", package: "coreutils")
            let write = [
                "if=/dev/zero", "of=\(path.appending("file"))", "bs=64k", "count=32", "conv=fsync", "status=none",
            ]
            switch type {
            case .ext4: try await program.run(write, until: .now + .seconds(100))
            case .xfs:
                await #expect(throws: HelperError.self) { try await program.run(write, until: .now + .seconds(100)) }
            }
        }
    }
}
