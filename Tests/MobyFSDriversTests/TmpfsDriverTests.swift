// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

@Suite struct TmpfsOptionsTests {
    private func parse(_ given: [String: String]) throws -> [String: String] {
        try OptionParser(TmpfsDriver(memoryBytes: 1000 << 20)).parse(given).options.values
    }

    /// The forms of the engine's own driver, of Podman and of mobyfs are one volume.
    @Test func readsWhatOthersWrite() throws {
        let asLocal = try parse([
            "type": "tmpfs", "device": "tmpfs",
            "o": "size=100m,uid=1000,gid=1001,mode=1777,nr_inodes=1k,noexec,nosuid",
        ])
        #expect(
            asLocal == [
                "size": "100MiB", "uid": "1000", "gid": "1001", "mode": "1777", "o": "nr_inodes=1k,noexec,nosuid",
            ])
        let own = [
            "size": "100M", "uid": "1000", "gid": "1001", "mode": "1777", "o": "nr_inodes=1k,noexec,nosuid",
        ]
        #expect(try parse(own) == asLocal)
        #expect(try parse(["type": "tmpfs", "device": "none"]) == [:])
        #expect(try parse(["type": "tmpfs", "o": "size=2M,size=3M"]) == ["size": "3MiB"])
    }

    @Test func turnsPercentagesAndBlocksIntoBytes() throws {
        #expect(try parse(["size": "10%"])["size"] == "100MiB")
        #expect(try parse(["o": "size=25%,noswap"]) == ["size": "250MiB", "o": "noswap"])
        #expect(try parse(["o": "nr_blocks=256"])["size"] == "1MiB")
        #expect(try parse(["o": "nr_blocks=1k,size=8M"])["size"] == "8MiB")
    }

    @Test(arguments: [
        ["o": "size=1M", "size": "2M"], ["size": "0"], ["size": "0%"], ["size": "ten%"], ["size": "-5%"],
        ["size": "99999999999%"], ["o": "size"], ["o": "mode=999"], ["o": "\"open"], ["type": "nfs"],
        ["on-remove": "keep"], ["on-remove": "trash"], ["compression": "zstd"], ["o": "uid=nobody-of-here"],
    ])
    func refusesWhatMakesNoSense(given: [String: String]) {
        let error = #expect(throws: VolumeError.self) { try parse(given) }
        #expect(error?.code == .invalidArgument)
    }
}

@Suite(.enabled(if: Machine.isRoot, "mounting needs root"), .serialized)
struct TmpfsDriverTests {
    private func withVolumes(_ body: (ManagerFixture) async throws -> Void) async throws {
        try await withVolumeManager(drivers: [DirectoryDriver(reserved: []), TmpfsDriver()]) { fixture in
            do {
                try await body(fixture)
            } catch {
                unmountAll(fixture)
                throw error
            }
            unmountAll(fixture)
        }
    }

    private func unmountAll(_ fixture: ManagerFixture) {
        let mounts = fixture.runtime.appending("mounts")
        for name in (try? Directories.entries(of: mounts)) ?? [] {
            while umount2(mounts.appending(name).string, CInt(MNT_DETACH)) == 0 {}
            try? Mountpoint(mounts.appending(name)).remove()
        }
    }

    private func mounts(at path: FilePath) throws -> [String] {
        let text = String(decoding: try DurableFile.read("/proc/self/mountinfo", limit: 1 << 24), as: UTF8.self)
        return text.split(separator: "\n").filter { $0.contains(" \(path) ") }.map(String.init)
    }

    @Test func staysMountedUntilItIsRemoved() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("cache", options: ["type": "tmpfs", "o": "size=1m,noexec,nosuid,nodev"])
            let path = fixture.runtime.appending("mounts/cache")
            #expect(!path.exists)
            for round in 0..<3 {
                #expect(try await fixture.volumes.mount("cache", id: "c\(round)", for: nil) == path)
                if round == 0 { try path.appending("file").write("seeded") }
                #expect(try path.appending("file").text == "seeded")
                try await fixture.volumes.unmount("cache", id: "c\(round)")
            }
            let lines = try mounts(at: path)
            #expect(lines.count == 1)
            for word in ["nosuid", "nodev", "noexec", "size=1024k"] { #expect(lines.first?.contains(word) == true) }

            let restarted = await fixture.restarted()
            await restarted.volumes.unmountIdle()
            _ = try await restarted.volumes.mount("cache", id: "d", for: nil)
            #expect(try path.appending("file").text == "seeded")
            #expect(try mounts(at: path).count == 1)
            try await restarted.volumes.unmount("cache", id: "d")
            try await restarted.volumes.remove("cache")
            #expect(!path.exists)
        }
    }

    /// What is in memory is lost as it is unmounted: the rest of the volume has to be in the trash before.
    @Test func keepsItsDataWhereItCannotBeRemoved() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("cache", options: ["type": "tmpfs", "size": "1M"])
            let path = try await fixture.volumes.mount("cache", id: "c", for: nil)
            try path.appending("file").write("precious")
            try await fixture.volumes.unmount("cache", id: "c")
            let chattr = HelperProgram("chattr", package: "e2fsprogs")
            let folder = fixture.pool.appending("volumes/cache").string
            try await chattr.run(["+i", folder], until: .now + .seconds(90))
            await #expect(throws: (any Error).self) { try await fixture.volumes.remove("cache") }
            try await chattr.run(["-i", folder], until: .now + .seconds(90))
            _ = try await fixture.volumes.mount("cache", id: "d", for: nil)
            #expect(try path.appending("file").text == "precious")
            try await fixture.volumes.unmount("cache", id: "d")
            try await fixture.volumes.remove("cache")
            #expect(!path.exists)
        }
    }

    /// It would be gone for all who come to the volume afterwards.
    @Test func isNotRemovedWhereSomebodyHasItMountedInAnotherPlace() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("cache", options: ["type": "tmpfs", "size": "1M"])
            let path = try await fixture.volumes.mount("cache", id: "c", for: nil)
            try path.appending("file").write("precious")
            try await fixture.volumes.unmount("cache", id: "c")
            let place = fixture.root.appending("place")
            try Directories.create(place, mode: 0o755)
            func reasonAgainstRemoving() async -> String {
                let error = await #expect(throws: VolumeError.self) { try await fixture.volumes.remove("cache") }
                #expect(error?.code == .inUse)
                return error?.message ?? ""
            }
            let holder = try await MountNamespaceHolder.start(path, at: place)
            let reason = await reasonAgainstRemoving()
            #expect(reason.contains("process \(holder.processID) (sleep) has it mounted at '\(place)'"), "\(reason)")
            holder.end()
            try await eventually("it has ended") {
                (try? MountTable(ofProcess: "\(holder.processID)").entries.isEmpty) ?? true
            }
            try Mounts.bind(path, at: place)
            let other = await reasonAgainstRemoving()
            #expect(other.contains("this host has it mounted at '\(place)' too"), "\(other)")
            try Mounts.unmount(place)
            #expect(try path.appending("file").text == "precious")
            try await fixture.volumes.remove("cache")
            #expect(!path.exists)
        }
    }

    /// As little as where somebody is at work in it.
    @Test func goesBackToItsPlaceWhereItCannotBeUnmounted() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("cache", options: ["type": "tmpfs", "size": "1M"])
            let path = try await fixture.volumes.mount("cache", id: "c", for: nil)
            try path.appending("file").write("precious")
            try await fixture.volumes.unmount("cache", id: "c")
            let file = try FileDescriptor.open(path.appending("file"), .readOnly)
            let error = await #expect(throws: VolumeError.self) { try await fixture.volumes.remove("cache") }
            try file.close()
            #expect(error?.code == .inUse)
            _ = try await fixture.volumes.mount("cache", id: "d", for: nil)
            #expect(try path.appending("file").text == "precious")
            try await fixture.volumes.unmount("cache", id: "d")
            try await fixture.volumes.remove("cache")
            #expect(try Directories.entries(of: fixture.pool.appending("volumes")).isEmpty)
        }
    }

    @Test func isNotMountedEmptyWhileAContainerHasItsData() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("cache", options: ["type": "tmpfs"])
            let path = try await fixture.volumes.mount("cache", id: "c", for: nil)
            try path.appending("file").write("precious")
            let container = try await MountNamespaceHolder.start(path, at: fixture.root)
            try Mounts.unmount(path)
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.mount("cache", id: "d", for: nil)
            }
            #expect(error?.message.contains("in memory only for as long as process") == true, "\(error?.message ?? "")")
            await #expect(throws: VolumeError.self) { try await fixture.volumes.remove("cache") }
            container.end()
            // Takes the mount away from all who had it in the same place, such as a server of another test.
            try Mountpoint(path).remove()
            try await eventually("its mount namespace is gone") {
                (try? await fixture.volumes.mount("cache", id: "d", for: nil)) != nil
            }
            for id in ["c", "d"] { try await fixture.volumes.unmount("cache", id: id) }
            try await fixture.volumes.remove("cache")
        }
    }

    /// Two daemons on one host, each with a pool of its own.
    @Test func isNotTakenForThatOfAnotherPool() async throws {
        try await withVolumes { mine in
            try await withVolumes { others in
                for fixture in [mine, others] {
                    try await fixture.volumes.create("cache", options: ["type": "tmpfs", "size": "1M"])
                    let path = try await fixture.volumes.mount("cache", id: "c", for: nil)
                    try path.appending("file").write("\(fixture.root)")
                }
                try await mine.volumes.unmount("cache", id: "c")
                try await mine.volumes.remove("cache")
                #expect(try others.runtime.appending("mounts/cache/file").text == "\(others.root)")
                try await others.volumes.unmount("cache", id: "c")
                try await others.volumes.remove("cache")
            }
        }
    }

    @Test func holdsNoMoreFilesThanItMay() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("few", options: ["type": "tmpfs", "o": "nr_inodes=5,mode=0700"])
            let path = try await fixture.volumes.mount("few", id: "c", for: nil)
            #expect(path.attributes.mode == 0o700)
            #expect((0..<5).map { mkdir(path.appending("\($0)").string, 0o755) } == [0, 0, 0, 0, -1])
            #expect(errno == ENOSPC)
            try await fixture.volumes.unmount("few", id: "c")
        }
    }

    /// The kernel is asked at Create, not when the container starts.
    @Test(arguments: ["sise=1M", "huge=sometimes", "nr_inodes=many", "lowerdir=/tmp", "noexec,foo"])
    func refusesOptionsTheKernelDoesNotTake(list: String) async throws {
        try await withVolumes { fixture in
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("db", options: ["type": "tmpfs", "o": list])
            }
            #expect(error?.code == .invalidArgument)
            #expect("\(error as (any Error)?)".contains(list), "\(error as (any Error)?)")
            #expect(fixture.volumes.counts.volumes == 0)
        }
    }

    @Test func mountsNothingOverWhatIsNotItsOwn() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: ["type": "tmpfs"])
            let path = fixture.runtime.appending("mounts/db")
            try Directories.create(path, mode: 0o755)
            try #require(mount("somebody", path.string, "tmpfs", 0, nil) == 0)
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.mount("db", id: "c", for: nil)
            }
            #expect(error?.code == .unavailable && error?.message.contains("umount \(path)") == true)
            #expect(try mounts(at: path).count == 1)
        }
    }

    /// A process of the host that works in it keeps a volume.
    @Test func isNotRemovedUnderAProcess() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: ["type": "tmpfs"])
            let path = try await fixture.volumes.mount("db", id: "c", for: nil)
            try path.appending("file").write("x")
            try await fixture.volumes.unmount("db", id: "c")
            let file = open(path.appending("file").string, O_RDONLY)
            let error = await #expect(throws: VolumeError.self) { try await fixture.volumes.remove("db") }
            #expect(error?.code == .inUse)
            #expect(try path.appending("file").text == "x")
            close(file)

            let sleeper = try await tool("sh", "-c", "cd '\(path)'; sleep 1000 & echo $!")
            let processID = try #require(Int32(sleeper.filter(\.isNumber)))
            let other = await #expect(throws: VolumeError.self) { try await fixture.volumes.remove("db") }
            kill(processID, SIGKILL)
            #expect("\(other as (any Error)?)".contains("at work there: process \(processID) (sleep)"))
            while try ProcessIdentity(processID: processID) != nil { sched_yield() }
            try await fixture.volumes.remove("db")
            #expect(!path.exists)
        }
    }

    @Test func isResizedWithoutLosingItsOtherOptions() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create(
                "db", options: ["type": "tmpfs", "o": "size=4m,noexec,nr_inodes=100,mode=0711"])
            let path = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try path.appending("file").writeUntilRefused().bytes == 4 << 20)
            _ = try await fixture.volumes.resize("db", to: "8M")
            let lines = try mounts(at: path)
            #expect(lines.count == 1)
            for word in ["noexec", "nr_inodes=100", "mode=711", "size=8192k"] {
                #expect(lines.first?.contains(word) == true, "\(word): \(lines)")
            }
            let error = await #expect(throws: VolumeError.self) { _ = try await fixture.volumes.resize("db", to: "2M") }
            #expect(error?.message.contains("holds 4 MiB") == true, "\(error?.message ?? "")")
            // Somebody else's change does not last.
            try Mounts.reconfigure(path, type: "tmpfs", options: [("size", "32m")])
            _ = try await fixture.volumes.mount("db", id: "d", for: nil)
            #expect(try mounts(at: path).first?.contains("size=8192k") == true)
            try Mounts.reconfigure(path, type: "tmpfs", options: [("size", "5m")])
            _ = try await fixture.volumes.mount("db", id: "e", for: nil)
            #expect(try mounts(at: path).first?.contains("size=8192k") == true)
            // What does not fit is not lost, and is mounted.
            try Mounts.reconfigure(path, type: "tmpfs", options: [("size", "16m")])
            #expect(try path.appending("more").writeUntilRefused().bytes == 12 << 20)
            _ = try await fixture.volumes.mount("db", id: "f", for: nil)
            #expect(try mounts(at: path).first?.contains("size=16384k") == true)
            for id in ["c", "d", "e", "f"] { try await fixture.volumes.unmount("db", id: id) }
        }
    }
}
