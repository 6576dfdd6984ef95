// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite struct ProcessListTests {
    /// The kernel's own threads have no executable.
    @Test func missesNoProgram() throws {
        let before = try programs()
        let listed = Set(try ProcessList.programs())
        // But for those that have come or gone meanwhile.
        let missing = before.intersection(try programs()).subtracting(listed)
        #expect(missing.isEmpty)
        #expect(listed.contains(getpid()))
    }

    @Test(.enabled(if: isFirstKernelThreadSeen, "needs to see the kernel's threads"))
    func leavesTheKernelsThreadsOut() throws {
        #expect(try !ProcessList.programs().contains(2))
    }

    private static var isFirstKernelThreadSeen: Bool {
        (try? FilePath("/proc/2/comm").text) == "kthreadd\n"
    }

    private func programs() throws -> Set<Int32> {
        Set(
            try Directories.entries(of: "/proc").compactMap { Int32($0) }
                .filter { Files.target(ofLink: "/proc/\($0)/exe") != nil })
    }
}
