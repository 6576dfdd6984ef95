// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite struct LockTests {
    @Test func aNameIsLockedOnceAndOthersAreFree() async throws {
        try await withTemporaryDirectory { root in
            let (locks, others) = (NameLocks(root.appending("locks")), NameLocks(root.appending("locks")))
            let lock = try #require(try locks.take("data"))
            #expect(try others.take("data") == nil)
            try #require(try others.take("Data")).giveBack()
            lock.giveBack()
            try #require(try others.take("data")).giveBack()
        }
    }

    @Test(.enabled(if: geteuid() == 0 && LoopDevice.obstacle == nil, "needs root and loop devices"))
    func aLastingLockIsKeptByADevice() async throws {
        try await withTemporaryDirectory { root in
            let file = root.appending("host")
            try file.write("alpha")
            #expect(try !FileLock.isTaken(file))
            let lock = try #require(try LastingLock(taking: file))
            #expect(try FileLock.isTaken(file) && lock.isHeld)
            // The same host, after its daemon was started anew.
            #expect(try LastingLock(taking: file) != nil)
            try lock.giveBack()
            #expect(try !FileLock.isTaken(file) && !lock.isHeld)
            try lock.giveBack()
        }
    }

    @Test func whatOthersHaveLockedIsNotTaken() async throws {
        try await withTemporaryDirectory { root in
            let file = root.appending("host")
            try file.write("alpha")
            let descriptor = open(file.string, O_RDWR | O_CLOEXEC)
            defer { close(descriptor) }
            try #require(flock(descriptor, LOCK_EX) == 0)
            #expect(try LastingLock(taking: file) == nil)
        }
    }

    @Test func nobodyHasAFileThatIsNotThere() throws {
        #expect(try !FileLock.isTaken("/run/mobyfs-test-no-such-file"))
    }
}
