// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import Testing

@Suite struct ProcessIdentityTests {
    @Test func aRunningProcessIsAlive() throws {
        let identity = try #require(try ProcessIdentity(processID: getpid()))
        #expect(identity.isAlive)
        #expect(!identity.bootID.isEmpty)
    }

    @Test func aProcessWithAnotherStartIsAnotherProcess() throws {
        let identity = try #require(try ProcessIdentity(processID: getpid()))
        let reused = ProcessIdentity(
            processID: identity.processID, startTime: identity.startTime + 1, bootID: identity.bootID)
        let earlierBoot = ProcessIdentity(
            processID: identity.processID, startTime: identity.startTime, bootID: "another")
        #expect(!reused.isAlive)
        #expect(!earlierBoot.isAlive)
    }

    @Test func noProcessHasNoIdentity() throws {
        #expect(try ProcessIdentity(processID: Int32.max) == nil)
    }
}
