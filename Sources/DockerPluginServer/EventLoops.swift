// SPDX-License-Identifier: Apache-2.0

import CLinux
import NIOCore
import NIOPosix

/// The threads that serve the connections of all servers in this process.
enum EventLoops {
    /// One for each processor that `CPUAffinity=` of the unit, or taskset(1), leaves to the process.
    ///
    /// Of more, one would wait for another to be interrupted, with all its connections.
    static let group: MultiThreadedEventLoopGroup = {
        let allowed = Int(linux_allowed_processors())
        return MultiThreadedEventLoopGroup(
            numberOfThreads: allowed > 0 ? min(System.coreCount, allowed) : System.coreCount)
    }()
}
