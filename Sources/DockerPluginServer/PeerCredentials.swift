// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Glibc
import Logging
import NIOCore

extension Caller {
    /// Asks the kernel who made a unix connection; of another, nothing is known.
    ///
    /// Source: unix(7), `SO_PEERCRED`. A process of a pid namespace that cannot be seen from here shows as 0, its user
    /// as ever; a socket of another kind shows nobody, as user -1.
    init(of channel: any Channel) {
        self.init()
        // The fields of C's `struct ucred`, which Glibc does not export: process, user, group.
        let unknown: (pid: Int32, uid: UInt32, gid: UInt32) = (0, .max, .max)
        guard let peer = channel.socketOption(SO_PEERCRED, initial: unknown), peer.uid != .max else { return }
        if peer.pid > 0 { processID = peer.pid }
        userID = peer.uid
    }

    /// What is known of the caller, for a log.
    var logMetadata: Logger.Metadata {
        [
            "caller.pid": "\(processID.map { String($0) } ?? "unknown")",
            "caller.uid": "\(userID.map { String($0) } ?? "unknown")",
        ]
    }
}

extension Channel {
    /// Whether the channel is a unix socket.
    var isUnixSocket: Bool {
        socketOption(SO_DOMAIN, initial: CInt(0)) == AF_UNIX
    }

    /// Has the kernel find out about a TCP peer that went without a word: it takes about two minutes.
    func askWhetherPeerIsThere() throws {
        let options = [
            (SOL_SOCKET, SO_KEEPALIVE, 1), (CInt(IPPROTO_TCP), TCP_KEEPIDLE, 60),
            (CInt(IPPROTO_TCP), TCP_KEEPINTVL, 15),
            (CInt(IPPROTO_TCP), TCP_KEEPCNT, 4),
        ]
        for (level, name, value) in options {
            try syncOptions?.setOption(.socket(.init(level), .init(name)), value: .init(value))
        }
    }

    fileprivate func socketOption<Value: BitwiseCopyable>(_ name: CInt, initial: Value) -> Value? {
        var value = initial
        var size = socklen_t(MemoryLayout<Value>.size)
        let result = try? pipeline.syncOperations.withUnsafeTransportIfAvailable { (descriptor: CInt) in
            getsockopt(descriptor, SOL_SOCKET, name, &value, &size)
        }
        return result == 0 ? value : nil
    }
}

/// A second descriptor of the same open file.
func duplicateDescriptor(_ descriptor: CInt) throws -> CInt {
    let duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
    guard duplicate >= 0 else { throw IOError(errnoCode: errno, reason: "fcntl(F_DUPFD_CLOEXEC)") }
    return duplicate
}
