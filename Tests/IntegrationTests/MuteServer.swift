// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost

/// A server on loopback that lets everybody connect and never says a word.
final class MuteServer: Sendable {
    let port: UInt16
    private let descriptor: CInt

    init() throws {
        descriptor = try check(socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0), "socket")
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try check(bind(descriptor, $0, size), "bind")
                try check(getsockname(descriptor, $0, &size), "getsockname")
            }
        }
        // Whoever connects waits in the queue.
        try check(listen(descriptor, 16), "listen")
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit {
        close(descriptor)
    }
}
