// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

@Suite struct BtrfsOptionsTests {
    private func parse(_ given: [String: String]) throws -> [String: String] {
        try OptionParser(BtrfsDriver()).parse(given).options.values
    }

    /// As compose files for buttervolume have them.
    @Test func readsWhatOthersWrite() throws {
        #expect(try parse(["copyonwrite": "false"]) == ["copyonwrite": "false"])
        #expect(try parse(["copyonwrite": "true", "compression": "true"])["compression"] == "zstd")
        for word in ["zlib", "lzo", "zstd", "ZSTD"] {
            #expect(try parse(["compression": word])["compression"] == word.lowercased())
        }
        for word in ["false", "no", "none", "off"] {
            #expect(try parse(["compression": word])["compression"] == "none")
        }
        #expect(try parse(["compression": "none", "copyonwrite": "no"])["copyonwrite"] == "false")
        #expect(try parse(["o": "size=1G,uid=5"]) == ["size": "1GiB", "uid": "5"])
    }

    @Test(arguments: [
        (["compression": "zstd:15"], "compress=zstd:15"), (["compression": "gzip"], "zlib, lzo, zstd or none"),
        (["copyonwrite": "perhaps"], "true or false"), (["size": "1M"], "the minimum is 16 MiB"),
        (["copyonwrite": "false", "compression": "true"], "do not go together"), (["mountpoint": "/srv"], "mountpoint"),
    ])
    func refusesWhatMakesNoSense(given: [String: String], words: String) {
        let error = #expect(throws: VolumeError.self) { try parse(given) }
        #expect(error?.code == .invalidArgument && error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    @Test func saysWhatThePoolLacks() async throws {
        try await withTemporaryDirectory { root in
            try #require(!BtrfsDirectory.isBtrfs(root), "the tests are on btrfs themselves")
            let fixture = await ManagerFixture(root: root, drivers: [DirectoryDriver(reserved: []), BtrfsDriver()])
            let facts = try #require(try await fixture.volumes.driverFacts().last)
            #expect(facts.lacks.count == 1 && !facts.isDefault)
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("db", options: ["compression": "zstd"])
            }
            #expect(error?.code == .invalidArgument && error?.message.contains("driver=image") == true)
            #expect(fixture.volumes.counts.volumes == 0)
        }
    }
}

@Suite(.enabled(if: Machine.hasBtrfs, "needs root, btrfs and mkfs.btrfs"), .serialized)
struct BtrfsDriverTests {
    /// Runs `body` with a pool on btrfs; removed volumes are deleted in the background.
    private func withVolumes(_ body: (ManagerFixture) async throws -> Void) async throws {
        try await withBtrfs { root in
            let fixture = await ManagerFixture(root: root, drivers: [DirectoryDriver(reserved: []), BtrfsDriver()])
            let purge = Task { await fixture.volumes.emptyTrash() }
            let result: Result<Void, any Error>
            do { result = .success(try await body(fixture)) } catch { result = .failure(error) }
            purge.cancel()
            await purge.value
            try result.get()
        }
    }

    private func btrfs(_ arguments: String...) async throws {
        try await HelperProgram("btrfs", package: "btrfs-progs").run(arguments, until: .now + .seconds(60))
    }

    private func data(_ fixture: ManagerFixture, _ name: String) -> FilePath {
        fixture.pool.appending("volumes/\(name)/data")
    }

    private func group(_ path: FilePath) throws -> BtrfsGroup {
        .volume(try BtrfsDirectory(path).containingSubvolume().id)
    }

    /// The quota groups but the file system's own.
    private func groups(_ fixture: ManagerFixture) throws -> [BtrfsGroup] {
        let directory = try BtrfsDirectory(fixture.root)
        return try (256..<1024).flatMap { id in
            try [BtrfsGroup.subvolume(id), .volume(id)].filter { try directory.usage(of: $0) != nil }
        }
    }

    @Test func copiesNothingThatWouldLackASubvolumeInside() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: [:])
            _ = try await fixture.volumes.snapshot("db", as: "before")
            try BtrfsDirectory(data(fixture, "db")).createSubvolume(named: "inner")
            try data(fixture, "db").appending("inner/file").write("precious")
            let snapshot = await #expect(throws: VolumeError.self) { try await fixture.volumes.snapshot("db", as: "s") }
            #expect(snapshot?.message.contains("'inner'") == true)
            await #expect(throws: VolumeError.self) { try await fixture.volumes.restore("db", from: "before") }
            for driver in ["btrfs", "directory"] {
                await #expect(throws: VolumeError.self) {
                    try await fixture.volumes.create("copy", options: ["from": "db", "driver": driver])
                }
            }
            let process = try #require(try ProcessIdentity(processID: getpid()))
            await #expect(throws: VolumeError.self) {
                try await fixture.volumes.hold("db", id: "i", alone: true, for: process)
            }
            #expect(try data(fixture, "db").appending("inner/file").text == "precious")
        }
    }

    /// Those of subvolumes newer kernels remove themselves, once they have cleared them away.
    private func expectNoGroups(_ fixture: ManagerFixture) async throws {
        let directory = try BtrfsDirectory(fixture.root)
        try await eventually("all quota groups are gone") {
            try directory.commit()
            return try groups(fixture).isEmpty
        }
    }

    @Test func isTheDriverOfAPoolOnBtrfs() async throws {
        try await withVolumes { fixture in
            let facts = try #require(try await fixture.volumes.driverFacts().last)
            #expect(facts.isDefault && facts.lacks.isEmpty && facts.size == .enforced)
            try await fixture.volumes.create("db", options: nil)
            #expect(try fixture.volumes.describe("db").volume?.driver == "btrfs")
            let path = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(path == data(fixture, "db") && path.attributes.mode == 0o755)
            #expect(try BtrfsDirectory(path).subvolume() != nil)
            // Who asks for no size pays nothing for quotas.
            #expect(try BtrfsDirectory(path).quotaStatus() == nil)
            try await fixture.volumes.unmount("db", id: "c")
            try await fixture.volumes.create("plain", options: ["driver": "directory"])
        }
    }

    @Test func setsWhatIsAskedForOnNewFiles() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("pressed", options: ["compression": "true", "size": "32M"])
            try await fixture.volumes.create("placed", options: ["copyonwrite": "false"])
            let pressed = try await fixture.volumes.mount("pressed", id: "c", for: nil)
            let placed = try await fixture.volumes.mount("placed", id: "c", for: nil)
            try Directories.create(pressed.appending("a"), mode: 0o755)
            try Directories.create(placed.appending("a"), mode: 0o755)
            #expect(try BtrfsDirectory(pressed.appending("a")).compression() == "zstd")
            #expect(try BtrfsDirectory(placed.appending("a")).isWithoutCopyOnWrite())
            // What compresses well counts by its size on disk.
            for number in 0..<3 {
                try DurableFile.write(
                    [UInt8](repeating: 65, count: 16 << 20), to: pressed.appending("\(number)"), isDurable: true)
            }
            let directory = try BtrfsDirectory(pressed)
            try directory.commit()
            let used = try #require(try directory.usage(of: group(pressed)))
            #expect(used < 8 << 20, "\(used)")
            for name in ["pressed", "placed"] { try await fixture.volumes.unmount(name, id: "c") }
        }
    }

    /// Whoever may write may make subvolumes.
    @Test(.enabled(if: Machine.hasSimpleQuotas, "needs simple quotas: Linux 6.7"))
    func limitsWhatIsInSubvolumesOfAContainer() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: ["size": "32M", "mode": "0777"])
            let path = try await fixture.volumes.mount("db", id: "c", for: nil)
            // Containers have the volume elsewhere; users of the host are not let through to it.
            try Directories.set(owner: nil, group: nil, mode: 0o711, of: fixture.pool)
            for user in ["65534", "0"] {
                try await HelperProgram("setpriv", package: "util-linux").run(
                    [
                        "--reuid=\(user)", "--regid=65534", "--clear-groups", "--bounding-set=-all", "btrfs",
                        "subvolume",
                        "create", path.appending("of-\(user)").string,
                    ], until: .now + .seconds(30))
                #expect(try path.appending("of-\(user)/file").writeUntilRefused().reason == Errno(rawValue: EDQUOT))
                #expect(try path.appending("file").writeUntilRefused().bytes < 8 << 20)
                #expect(unlink(path.appending("of-\(user)/file").string) == 0)
                unlink(path.appending("file").string)  // perhaps there was no room for it
            }
            try await fixture.volumes.unmount("db", id: "c")
            try await fixture.volumes.remove("db")
            try await expectNoGroups(fixture)
        }
    }

    /// Where the kernel does not do it, the next Mount counts them.
    @Test func countsSubvolumesOfAContainerAtTheNextMount() async throws {
        try await withVolumes { fixture in
            try await btrfs("quota", "enable", fixture.root.string)
            try await fixture.volumes.create("db", options: ["size": "32M"])
            let path = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try BtrfsDirectory(path).quotaStatus()?.isSimple == false)
            try BtrfsDirectory(path).createSubvolume(named: "nested")
            _ = try path.appending("nested/file").writeUntilRefused(atMost: 24 << 20)
            _ = try await fixture.volumes.mount("db", id: "d", for: nil)
            #expect(try BtrfsDirectory(path).members(of: group(path)).count == 2)
            let filled = try path.appending("file").writeUntilRefused()
            #expect(filled.reason == Errno(rawValue: EDQUOT) && filled.bytes < 10 << 20)
            for id in ["c", "d"] { try await fixture.volumes.unmount("db", id: id) }
        }
    }

    @Test func overwritesWithinItsSize() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: ["size": "64M"])
            let path = try await fixture.volumes.mount("db", id: "c", for: nil)
            for _ in 0..<8 {
                #expect(try path.appending("file").writeUntilRefused(atMost: 24 << 20).reason == nil)
            }
            // Full, it can be emptied.
            #expect(try path.appending("more").writeUntilRefused().reason == Errno(rawValue: EDQUOT))
            for name in ["file", "more"] { #expect(unlink(path.appending(name).string) == 0) }
            #expect(try path.appending("file").writeUntilRefused(atMost: 48 << 20).reason == nil)
            try await fixture.volumes.unmount("db", id: "c")
        }
    }

    @Test(arguments: [false, true])
    func leavesNoQuotaGroups(countsReferences: Bool) async throws {
        try await withVolumes { fixture in
            if countsReferences { try await btrfs("quota", "enable", fixture.root.string) }
            for round in 0..<5 {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<10 {
                        group.addTask { try await self.createAndRemove("db-\(number)", isUsed: round == 0, fixture) }
                    }
                    try await group.waitForAll()
                }
            }
            try await eventually("the trash is empty") {
                try Directories.entries(of: fixture.pool.appending("trash")).isEmpty
            }
            try await expectNoGroups(fixture)
        }
    }

    private func createAndRemove(_ name: String, isUsed: Bool, _ fixture: ManagerFixture) async throws {
        try await fixture.volumes.create(name, options: ["size": "32M"])
        if isUsed {
            let path = try await fixture.volumes.mount(name, id: "c", for: nil)
            try BtrfsDirectory(path).createSubvolume(named: "nested")
            try path.appending("nested/file").write("x")
            try await fixture.volumes.unmount(name, id: "c")
        }
        try await fixture.volumes.remove(name)
    }

    @Test func takesUpKeptDataWithAnotherSize() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: ["size": "32M", "on-remove": "keep"])
            let path = data(fixture, "db")
            try path.appending("file").write("precious")
            try BtrfsDirectory(path).createSubvolume(named: "nested")
            let before = try BtrfsDirectory(path).subvolume()
            try await fixture.volumes.remove("db")
            #expect(try path.appending("file").text == "precious")

            try await fixture.volumes.create("db", options: ["size": "64M"])
            #expect(try BtrfsDirectory(path).subvolume() == before)
            #expect(try BtrfsDirectory(path).limit(of: group(path)) == 64 << 20)
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try path.appending("file").text == "precious")
            #expect(path.appending("nested").exists)
            try await fixture.volumes.unmount("db", id: "c")
            try await fixture.volumes.remove("db")
            // Without a size there is no limit left.
            try await fixture.volumes.create("db", options: [:])
            #expect(try BtrfsDirectory(path).limit(of: group(path)) == nil)
        }
    }

    @Test func noticesWhatIsNotTheSubvolumeItMade() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: ["size": "32M"])
            let (path, old) = (data(fixture, "db"), fixture.pool.appending("old"))
            func expectRefusal(_ words: String) async {
                let error = await #expect(throws: VolumeError.self) {
                    try await fixture.volumes.mount("db", id: "c", for: nil)
                }
                #expect(
                    error?.code == .unavailable && error?.message.contains(words) == true, "\(error?.message ?? "")")
            }
            try Files.rename(path, to: old)
            await expectRefusal("is gone")
            // As a restore by copy makes it.
            try Directories.create(path, mode: 0o755)
            await expectRefusal("is no subvolume but a plain directory")
            #expect(rmdir(path.string) == 0)
            try BtrfsDirectory(path.removingLastComponent()).createSubvolume(named: "data")
            await expectRefusal("is another subvolume")
            #expect(rmdir(path.string) == 0)
            symlink(old.string, path.string)
            await #expect(throws: VolumeError.self) { try await fixture.volumes.mount("db", id: "c", for: nil) }
            #expect(unlink(path.string) == 0)

            // As a restore of a snapshot makes it; it has no limit yet.
            try await btrfs("subvolume", "snapshot", "-r", old.string, fixture.pool.appending("snapshot").string)
            try await btrfs("subvolume", "snapshot", fixture.pool.appending("snapshot").string, path.string)
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try BtrfsDirectory(path).limit(of: group(path)) == 32 << 20)
            #expect(try path.appending("file").writeUntilRefused().reason == Errno(rawValue: EDQUOT))
            try await fixture.volumes.unmount("db", id: "c")
        }
    }

    @Test func setsALimitAgainThatWasTakenAway() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: ["size": "32M"])
            let path = data(fixture, "db")
            _ = try path.appending("old").writeUntilRefused(atMost: 8 << 20)
            try BtrfsDirectory(path).setLimit(of: group(path), to: nil)
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try BtrfsDirectory(path).limit(of: group(path)) == 32 << 20)

            try await btrfs("quota", "disable", fixture.root.string)
            #expect(try BtrfsDirectory(path).quotaStatus() == nil)
            _ = try await fixture.volumes.mount("db", id: "d", for: nil)
            #expect(try BtrfsDirectory(path).waitForRescan(until: .now + .seconds(60)))
            // What was there before counts.
            let filled = try path.appending("new").writeUntilRefused()
            #expect(filled.reason == Errno(rawValue: EDQUOT) && filled.bytes <= 24 << 20, "\(filled)")
            for id in ["c", "d"] { try await fixture.volumes.unmount("db", id: id) }
        }
    }

    /// As an administrator does who is told to, while containers go on.
    @Test(arguments: [false, true])
    func limitsVolumesInUseAnewAfterQuotasWereSwitchedOff(andOn: Bool) async throws {
        try await withVolumes { fixture in
            for name in ["db", "www"] { try await fixture.volumes.create(name, options: ["size": "32M"]) }
            // The first is empty, the other is not.
            let first = try await fixture.volumes.mount("db", id: "c", for: nil)
            let path = try await fixture.volumes.mount("www", id: "c", for: nil)
            _ = try path.appending("old").writeUntilRefused(atMost: 8 << 20)
            try await btrfs("quota", "disable", fixture.root.string)
            if andOn { try await btrfs("quota", "enable", fixture.root.string) }
            await fixture.volumes.checkCondition()
            for name in ["db", "www"] { #expect(try fixture.volumes.describe(name).trouble == nil) }
            for place in [first, path] {
                #expect(try BtrfsDirectory(place).limit(of: group(place)) == 32 << 20)
            }
            #expect(try BtrfsDirectory(path).waitForRescan(until: .now + .seconds(60)))
            let filled = try path.appending("new").writeUntilRefused()
            #expect(filled.reason == Errno(rawValue: EDQUOT) && filled.bytes <= 24 << 20, "\(filled)")
            for name in ["db", "www"] { try await fixture.volumes.unmount(name, id: "c") }
        }
    }

    @Test(.enabled(if: Machine.hasSimpleQuotas, "needs simple quotas: Linux 6.7"))
    func tellsOfAVolumeInUseThatCannotBeLimitedAnew() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: ["size": "32M"])
            let path = try await fixture.volumes.mount("db", id: "c", for: nil)
            try path.appending("file").write("x")
            try await btrfs("quota", "disable", fixture.root.string)
            try BtrfsDirectory(fixture.root).enableQuota(countingAll: false)
            for _ in 0..<2 {
                await fixture.volumes.checkCondition()
                let trouble = try fixture.volumes.describe("db").trouble ?? ""
                #expect(trouble.contains("not held to its size"), "\(trouble)")
                #expect(trouble.contains("btrfs quota disable") && trouble.contains("limits all other volumes"))
            }
            try await btrfs("quota", "disable", fixture.root.string)
            try await btrfs("quota", "enable", fixture.root.string)
            await fixture.volumes.checkCondition()
            #expect(try fixture.volumes.describe("db").trouble == nil)
            #expect(try BtrfsDirectory(path).limit(of: group(path)) == 32 << 20)
            try await fixture.volumes.unmount("db", id: "c")
        }
    }

    /// Simple quotas would take what is there for nothing.
    @Test func countsWhatIsThereWhenAVolumeGetsASize() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: [:])
            let path = data(fixture, "db")
            _ = try path.appending("old").writeUntilRefused(atMost: 40 << 20)
            let error = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.resize("db", to: "32M")
            }
            #expect(
                error?.code == .invalidArgument && error?.message.contains("takes 40") == true,
                "\(error?.message ?? "")")
            #expect(try fixture.volumes.describe("db").volume?.options.size == nil)
            _ = try await fixture.volumes.resize("db", to: "64M")
            let filled = try path.appending("new").writeUntilRefused()
            #expect(filled.reason == Errno(rawValue: EDQUOT) && filled.bytes <= 24 << 20)
        }
    }

    @Test(.enabled(if: Machine.hasSimpleQuotas, "needs simple quotas: Linux 6.7"))
    func refusesASizeWhereSimpleQuotasDoNotCountWhatIsThere() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("old", options: [:])
            try data(fixture, "old").appending("file").write("x")
            try await fixture.volumes.create("new", options: ["size": "32M"])
            let error = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.resize("old", to: "64M")
            }
            #expect(error?.code == .unavailable && error?.message.contains("btrfs quota disable") == true)
        }
    }

    /// stat(2) has a device number for each subvolume that no mount table knows.
    @Test func isSeenWhereAContainerHasItMounted() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: [:])
            let place = Mountpoint(fixture.root.appending("container"))
            try place.prepare()
            try Mounts.bind(data(fixture, "db"), at: place.path)
            defer { #expect(throws: Never.self) { try Mounts.unmount(place.path) } }
            let location = try MountLocation(of: data(fixture, "db"), in: MountTable())
            let entry = try #require(try Mounts.entry(at: place.path))
            #expect(location.isShown(by: entry))
        }
    }

    /// A container may make subvolumes in any volume on btrfs.
    @Test func deletesSubvolumesInVolumesOfOtherDrivers() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: ["driver": "directory"])
            let path = data(fixture, "db")
            try BtrfsDirectory(path).createSubvolume(named: "nested")
            try Directories.create(path.appending("nested/a/b"), mode: 0o755)
            try path.appending("nested/a/b/file").write("x")
            try await fixture.volumes.remove("db")
            try await eventually("the trash is empty") {
                try Directories.entries(of: fixture.pool.appending("trash")).isEmpty
            }
        }
    }

    /// An open file keeps neither the name nor, for long, the volume.
    @Test func isRemovedWhileFilesInItAreOpen() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: [:])
            try data(fixture, "db").appending("file").write("precious")
            let file = open(data(fixture, "db").appending("file").string, O_RDONLY)
            defer { close(file) }
            try await fixture.volumes.remove("db")
            try await fixture.volumes.create("db", options: [:])
            #expect(try Directories.entries(of: data(fixture, "db")).isEmpty)
            try await eventually("the trash is empty") {
                try Directories.entries(of: fixture.pool.appending("trash")).isEmpty
            }
            var byte: UInt8 = 0
            #expect(pread(file, &byte, 1, 0) == 1 && byte == UInt8(ascii: "p"))
        }
    }
}
