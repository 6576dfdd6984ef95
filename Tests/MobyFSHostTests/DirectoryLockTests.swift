// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import Testing

@Suite struct DirectoryLockTests {
    @Test func namesTheProcessThatHasTheLock() async throws {
        try await withTemporaryDirectory { root in
            let lock = try DirectoryLock(root)
            let error = #expect(throws: DirectoryLock.Held.self) { try DirectoryLock(root) }
            #expect(error?.processID == getpid())
            withExtendedLifetime(lock) {}
        }
    }

    @Test func closesTheDirectoryOnceWhereAnotherHasIt() async throws {
        try await withTemporaryDirectory { root in
            let lock = try DirectoryLock(root)
            #expect(DescriptorCanary.losses { _ = try? DirectoryLock(root) } == 0)
            withExtendedLifetime(lock) {}
        }
    }

    @Test func isFreeAgainAfterItsEnd() async throws {
        try await withTemporaryDirectory { root in
            do { _ = try DirectoryLock(root) }
            _ = try DirectoryLock(root)
        }
    }
}
