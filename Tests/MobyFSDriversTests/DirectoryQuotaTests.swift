// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// `size=` of directory volumes, on file systems that have project quotas and on some that have none.
@Suite struct DirectoryQuotaTests {
    private static let mebibyte: UInt64 = 1 << 20

    /// Runs `body` with a pool on a file system with quotas.
    private func withPool(_ type: QuotaFileSystem, _ body: (ManagerFixture) async throws -> Void) async throws {
        try await type.with { root in
            // Users that write here have come by the host; a container has the volume elsewhere.
            try Directories.create(root.appending("pool"), mode: 0o711)
            try await body(
                await ManagerFixture(root: root, drivers: [DirectoryDriver(reserved: [root.appending("pool")])]))
        }
    }

    private func project(_ name: String, _ fixture: ManagerFixture) throws -> UInt32 {
        let text = try #require(try fixture.volumes.describe(name).volume?.state["quota.project"])
        return try #require(UInt32(text))
    }

    private func expectLimit(
        _ mebibytes: UInt64?, of name: String, _ fixture: ManagerFixture,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let limit = try ProjectQuota(of: fixture.root).usage(of: try project(name, fixture)).limitBytes
        #expect(limit == mebibytes.map { $0 << 20 }, sourceLocation: sourceLocation)
    }

    /// No project of the file system uses or may use anything, once the trash is empty.
    private func expectNothingLeft(
        _ fixture: ManagerFixture, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let purge = Task { [volumes = fixture.volumes] in await volumes.emptyTrash() }
        try await eventually("no project is left", sourceLocation: sourceLocation) {
            try ProjectQuota(of: fixture.root).next(from: 1) == nil
        }
        purge.cancel()
        await purge.value
    }

    private func expectFull(
        _ file: FilePath, mebibytes: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        chmod(file.removingLastComponent().string, 0o777)
        let error = await #expect(throws: HelperError.self, sourceLocation: sourceLocation) {
            try await Contained.write(mebibytes: mebibytes, to: file)
        }
        let line = error?.lastLine ?? ""
        let isClear = line.hasSuffix("No space left on device") || line.hasSuffix("Disk quota exceeded")
        #expect(isClear, "\(line)", sourceLocation: sourceLocation)
    }

    // MARK: - Create and Mount

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func holdsEachVolumeToItsOwnSize(type: QuotaFileSystem) async throws {
        try await withPool(type) { fixture in
            // As Podman writes it.
            try await fixture.volumes.create("db", options: ["o": "uid=1000,gid=1000,size=4M"])
            try await fixture.volumes.create("other", options: ["size": "4M", "mode": "0777"])
            let path = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(path.attributes == (0o755, 1000, 1000))
            try await Contained.write(mebibytes: 2, to: path.appending("fits"))
            try await expectFull(path.appending("more"), mebibytes: 3)
            let other = try await fixture.volumes.mount("other", id: "c", for: nil)
            try await Contained.write(mebibytes: 3, to: other.appending("fits"))
            #expect(try project("db", fixture) != project("other", fixture))

            let restarted = await fixture.restarted()
            #expect(try await restarted.volumes.mount("db", id: "c2", for: nil) == path)
            try await expectFull(path.appending("yet-more"), mebibytes: 3)
            for name in ["db", "other"] {
                for id in ["c", "c2"] { try await restarted.volumes.unmount(name, id: id) }
                try await restarted.volumes.remove(name)
            }
            try await expectNothingLeft(restarted)
        }
    }

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func manyAtOnceGetProjectsOfTheirOwn(type: QuotaFileSystem) async throws {
        try await withPool(type) { fixture in
            try await withThrowingTaskGroup { group in
                for index in 0..<16 {
                    group.addTask { try await fixture.volumes.create("v\(index)", options: ["size": "\(index + 1)M"]) }
                }
                try await group.waitForAll()
            }
            #expect(try Set((0..<16).map { try project("v\($0)", fixture) }).count == 16)
            for index in 0..<16 { try expectLimit(UInt64(index) + 1, of: "v\(index)", fixture) }
        }
    }

    /// rsync and tar keep no projects, and a container's owner can change them.
    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func mendsWhatIsLostAtEachMount(type: QuotaFileSystem) async throws {
        try await withPool(type) { fixture in
            try await fixture.volumes.create("db", options: ["size": "4M"])
            try await fixture.volumes.create("other", options: ["size": "4M"])
            let path = try await fixture.volumes.mount("db", id: "c", for: nil)
            try Directories.create(path.appending("a/b"), mode: 0o755)
            for name in ["file", "a/file", "a/b/file"] { try path.pushing(FilePath(name)).write("x") }
            let number = try project("db", fixture)
            let quota = try ProjectQuota(of: fixture.root)
            #expect(try quota.usage(of: number).usedInodes == 6)

            // All of it; the root alone, given to the neighbour; what it passes on; the limit.
            try ProjectTree.assign(path, to: 0, from: .any, until: .now + .seconds(100))
            try quota.setLimit(nil, of: number)
            #expect(try quota.usage(of: number).isFree)
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try quota.usage(of: number).usedInodes == 6)
            try expectLimit(4, of: "db", fixture)

            for wrong in [
                ProjectMembership(id: try project("other", fixture), inherits: true),
                ProjectMembership(id: number, inherits: false), ProjectMembership(id: 42, inherits: true),
            ] {
                try wrong.apply(to: path)
                _ = try await fixture.volumes.mount("db", id: "c", for: nil)
                #expect(try ProjectMembership(of: path) == ProjectMembership(id: number, inherits: true))
            }
            try quota.setLimit(64 * Self.mebibyte, of: number)
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            try expectLimit(4, of: "db", fixture)
            try expectLimit(4, of: "other", fixture)
        }
    }

    /// What was restored may be more than the volume may hold: it is there, and nothing can be added.
    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func mendsAVolumeThatHoldsTooMuch(type: QuotaFileSystem) async throws {
        try await withPool(type) { fixture in
            try await fixture.volumes.create("db", options: ["size": "1M"])
            let path = fixture.pool.appending("volumes/db/data")
            try ProjectTree.assign(path, to: 0, from: .any, until: .now + .seconds(100))
            chmod(path.string, 0o777)
            try await Contained.write(mebibytes: 3, to: path.appending("restored"))
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            try await expectFull(path.appending("more"), mebibytes: 1)
            #expect(try ProjectQuota(of: path).usage(of: project("db", fixture)).usedBytes > 2 * Self.mebibyte)
        }
    }

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func doesNotMountAVolumeThatNothingHoldsToItsSize(type: QuotaFileSystem) async throws {
        try await withTemporaryDirectory { root in
            let (disk, image) = (root.appending("disk"), root.appending("image"))
            try await type.mount(image, at: disk)
            defer { try? Mounts.unmount(disk, detaching: true) }
            let drivers = [DirectoryDriver(reserved: [disk.appending("pool")])]
            let fixture = await ManagerFixture(root: disk, drivers: drivers)
            try await fixture.volumes.create("db", options: ["size": "4M"])
            try await fixture.volumes.create("free", options: nil)
            try Mounts.unmount(disk)

            try await type.remount(image, at: disk, quotas: .off)
            var volumes = await fixture.restarted().volumes
            let error = await #expect(throws: VolumeError.self) { try await volumes.mount("db", id: "c", for: nil) }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("prjquota") == true, "\(error as Any)")
            _ = try await volumes.mount("free", id: "c", for: nil)
            try await volumes.unmount("free", id: "c")
            let refusal = await #expect(throws: VolumeError.self) {
                try await volumes.create("new", options: ["size": "4M"])
            }
            #expect(refusal?.code == .invalidArgument)
            try Mounts.unmount(disk)

            try await type.remount(image, at: disk)
            volumes = await fixture.restarted().volumes
            _ = try await volumes.mount("db", id: "c", for: nil)
        }
    }

    @Test(.enabled(if: Machine.isRoot, "mounting needs root"))
    func refusesASizeWhereThereAreNoQuotas() async throws {
        try await withTemporaryDirectory { root in
            try Mounts.mount(type: "tmpfs", source: "none", at: root)
            defer { try? Mounts.unmount(root) }
            let driver = DirectoryDriver(reserved: [root.appending("pool")])
            let fixture = await ManagerFixture(root: root, drivers: [driver])
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("db", options: ["size": "4M"])
            }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("the tmpfs file system at '\(root)' has no project quotas") == true)
            #expect(fixture.volumes.counts.volumes == 0)
            #expect(try Directories.entries(of: fixture.pool.appending("volumes")).isEmpty)
        }
    }

    // MARK: - Copies, crashes

    /// Somebody copies a volume's folder by hand, record and all.
    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func aCopyOfAVolumeGetsAProjectOfItsOwn(type: QuotaFileSystem) async throws {
        try await withPool(type) { original in
            try await original.volumes.create("db", options: ["size": "4M"])
            try original.pool.appending("volumes/db/data/file").write("precious")
            try await HelperProgram("cp", package: "coreutils").run(
                ["-a", original.pool.appending("volumes/db").string, original.pool.appending("volumes/copy").string],
                until: .now + .seconds(100))
            let fixture = await original.restarted()
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.mount("copy", id: "c", for: nil)
            }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("'db'") == true && error?.message.contains("resize copy 4MiB") == true)
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)

            _ = try await fixture.volumes.resize("copy", to: "4M")
            let path = try await fixture.volumes.mount("copy", id: "c", for: nil)
            #expect(try path.appending("file").text == "precious")
            #expect(try project("copy", fixture) != project("db", fixture))
            let quota = try ProjectQuota(of: fixture.root)
            for name in ["copy", "db"] {
                #expect(try quota.usage(of: project(name, fixture)).usedInodes == 2)
                try expectLimit(4, of: name, fixture)
            }
        }
    }

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func aCreateThatWasCutOffLeavesNoProject(type: QuotaFileSystem) async throws {
        try await withPool(type) { fixture in
            let driver = DirectoryDriver(reserved: [fixture.pool])
            func context(_ root: FilePath) -> DriverContext {
                DriverContext(
                    root: root, mounts: fixture.runtime.appending("mounts/db"), deadline: .now + .seconds(100),
                    logger: .silent)
            }
            func volume(_ options: [String: String]) throws -> Volume {
                let options = try OptionParser(driver).parse(options).options
                return Volume(name: try VolumeName("db"), driver: "directory", options: options)
            }
            let staging = fixture.pool.appending("volumes/.new-cut")
            try Directories.create(staging, mode: 0o711)
            _ = try await driver.create(try volume(["size": "4M"]), in: context(staging))
            #expect(try ProjectQuota(of: fixture.root).next(from: 1) != nil)
            let restarted = await fixture.restarted()
            try await expectNothingLeft(restarted)

            // Outside the pool nobody cleans up, but the next Create goes on from there.
            let options = ["size": "4M", "mountpoint": fixture.root.appending("srv").string]
            try Directories.create(staging, mode: 0o711)
            _ = try await driver.create(try volume(options), in: context(staging))
            Directories.removeIfEmpty(staging)
            try await restarted.volumes.create("db", options: options)
            try expectLimit(4, of: "db", restarted)
            try await restarted.volumes.remove("db")
            try await expectNothingLeft(restarted)
        }
    }

    // MARK: - Remove

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func whatIsInTheTrashKeepsItsProject(type: QuotaFileSystem) async throws {
        try await withPool(type) { fixture in
            try await fixture.volumes.create("db", options: ["size": "4M", "on-remove": "trash"])
            let number = try project("db", fixture)
            try await fixture.volumes.remove("db")
            #expect(try ProjectQuota(of: fixture.root).usage(of: number).usedInodes == 1)
            try await fixture.volumes.create("db", options: ["size": "8M"])
            #expect(try project("db", fixture) != number)
        }
    }

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func keptDataIsTakenUpWithWhateverSizeIsAskedFor(type: QuotaFileSystem) async throws {
        try await withPool(type) { fixture in
            try await fixture.volumes.create("db", options: ["size": "4M", "on-remove": "keep", "mode": "0777"])
            let path = fixture.pool.appending("volumes/db/data")
            try await Contained.write(mebibytes: 2, to: path.appending("file"))
            try await fixture.volumes.remove("db")
            let tooSmall = ["size": "1M", "mode": "0777"]
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("db", options: tooSmall)
            }
            #expect(error?.message.contains("holds 2 MiB") == true, "\(error as Any)")

            try await fixture.volumes.create("db", options: ["size": "8M"])
            try expectLimit(8, of: "db", fixture)
            try await Contained.write(mebibytes: 3, to: path.appending("more"))
            try await fixture.volumes.remove("db")

            try await fixture.volumes.create("db", options: ["on-remove": "keep"])
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            try expectLimit(nil, of: "db", fixture)
            try await Contained.write(mebibytes: 9, to: path.appending("much-more"))
            _ = try await fixture.volumes.resize("db", to: "16M")
            try await expectFull(path.appending("too-much"), mebibytes: 4)
        }
    }

    // MARK: - Resize

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func growsAndShrinksAndLimitsWhatHadNoSize(type: QuotaFileSystem) async throws {
        try await withPool(type) { fixture in
            try await fixture.volumes.create("db", options: ["mode": "0777"])
            let path = try await fixture.volumes.mount("db", id: "c", for: nil)
            try Directories.create(path.appending("deep"), mode: 0o777)
            try await Contained.write(mebibytes: 2, to: path.appending("deep/file"))
            let error = await #expect(throws: VolumeError.self) { try await fixture.volumes.resize("db", to: "1M") }
            #expect(error?.message.contains("holds 2 MiB") == true, "\(error as Any)")
            // The kernel lets go of a project some time after its last file has left it.
            try await eventually("no project is left") { try ProjectQuota(of: fixture.root).next(from: 1) == nil }
            #expect(try ProjectMembership(of: path) == .none)

            _ = try await fixture.volumes.resize("db", to: "4M")
            try await expectFull(path.appending("deep/more"), mebibytes: 3)
            _ = try await fixture.volumes.resize("db", to: "8M")
            try await Contained.write(mebibytes: 3, to: path.appending("deep/more"))
            let refusal = await #expect(throws: VolumeError.self) { try await fixture.volumes.resize("db", to: "4M") }
            #expect(refusal?.code == .invalidArgument)
            #expect(refusal?.message.contains("4MiB") == true, "\(refusal as Any)")
            try expectLimit(8, of: "db", fixture)
            #expect(unlink(path.appending("deep/more").string) == 0)
            try await eventually("the space is free") {
                try ProjectQuota(of: path).usage(of: project("db", fixture)).usedBytes < 3 * Self.mebibyte
            }
            _ = try await fixture.volumes.resize("db", to: "3M")
            try await expectFull(path.appending("deep/more"), mebibytes: 2)
        }
    }

    // MARK: - mountpoint=

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func limitsADirectoryOfTheHostWithWhatIsInIt(type: QuotaFileSystem) async throws {
        try await withPool(type) { fixture in
            let path = fixture.root.appending("srv/data")
            try Directories.create(path.appending("deep"), mode: 0o777)
            try await Contained.write(mebibytes: 2, to: path.appending("deep/file"))
            let options = ["mountpoint": path.string, "mode": "0777"]
            for size in ["1M", "3M"] {
                do {
                    try await fixture.volumes.create("db", options: options.merging(["size": size]) { $1 })
                    #expect(size == "3M")
                } catch let error as VolumeError {
                    #expect(size == "1M" && error.message.contains("holds 2 MiB"), "\(error)")
                    #expect(try ProjectMembership(of: path.appending("deep")) == .none)
                    try await eventually("no project is left") { try ProjectQuota(of: path).next(from: 1) == nil }
                }
            }
            try await expectFull(path.appending("deep/more"), mebibytes: 2)
            // Neither can be limited twice.
            for overlapping in [path, path.appending("deep"), path.removingLastComponent()] {
                let options = ["mountpoint": overlapping.string, "size": "2M"]
                await #expect(throws: VolumeError.self, "\(overlapping)") {
                    try await fixture.volumes.create("second", options: options)
                }
            }
            try expectLimit(3, of: "db", fixture)
            try await fixture.volumes.remove("db")
            try await expectNothingLeft(fixture)
            #expect(try ProjectMembership(of: path.appending("deep")) == .none)
            #expect(path.appending("deep/file").exists)
        }
    }

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func looksAtTheFileSystemThatTheDataIsOn(type: QuotaFileSystem) async throws {
        try await withPool(type) { fixture in
            try Directories.create(fixture.root.appending("memory"), mode: 0o755)
            try Mounts.mount(type: "tmpfs", source: "none", at: fixture.root.appending("memory"))
            defer { try? Mounts.unmount(fixture.root.appending("memory")) }
            let options = ["mountpoint": fixture.root.appending("memory/data").string, "size": "2M"]
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("db", options: options)
            }
            #expect(error?.message.contains("the tmpfs file system") == true, "\(error as Any)")
            #expect(!fixture.root.appending("memory/data").exists)
        }
    }

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func takesNothingFromTheAdministrator(type: QuotaFileSystem) async throws {
        try await withPool(type) { fixture in
            let path = fixture.root.appending("srv")
            try Directories.create(path, mode: 0o755)
            try ProjectMembership(id: 42, inherits: true).apply(to: path)
            let options = ["mountpoint": path.appending("data").string, "size": "2M"]
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("db", options: options)
            }
            #expect(error?.message.contains("project 42") == true, "\(error as Any)")
            #expect(!path.appending("data").exists)
        }
    }
}
