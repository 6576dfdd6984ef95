// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import NIOCore
import SystemPackage
import Testing

@testable import DockerPluginServer

@Suite struct LivenessProbeTests {
    /// A daemon that many connect to at once is alive.
    @Test(.timeLimit(.minutes(2))) func waitsWhereManyWaitToBeAccepted() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s")
            let listening = try check(socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0), "socket")
            defer { close(listening) }
            try check(withUnixAddress(path) { bind(listening, $0, $1) }, "bind")
            try check(listen(listening, 0), "listen")
            try fill(path)
            let address = try SocketAddress(unixDomainSocketPath: path.string)
            #expect(await !LivenessProbe.succeeds(at: address, within: .milliseconds(100), on: EventLoops.group))
            async let succeeds = LivenessProbe.succeeds(at: address, within: .seconds(60), on: EventLoops.group)
            try await Task.sleep(for: .milliseconds(100))
            try await BlockingWork.run { try answerWhoAsks(listening) }
            #expect(await succeeds)
        }
    }

    /// Connects, and hangs up, until no more connections may wait.
    private func fill(_ path: FilePath) throws {
        while true {
            let kind = CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue)
            let descriptor = try check(socket(AF_UNIX, kind, 0), "socket")
            defer { close(descriptor) }
            guard withUnixAddress(path, { connect(descriptor, $0, $1) }) != 0 else { continue }
            return #expect(errno == EAGAIN)
        }
    }

    private func answerWhoAsks(_ listening: CInt) throws {
        let answer = "HTTP/1.1 404 Not Found\r\n\r\n"
        var received = 0
        while received == 0 {
            let descriptor = try check(accept(listening, nil, nil), "accept")
            defer { close(descriptor) }
            var chunk = [UInt8](repeating: 0, count: 1024)
            received = recv(descriptor, &chunk, chunk.count, 0)
            if received > 0 { send(descriptor, answer, answer.utf8.count, CInt(MSG_NOSIGNAL)) }
        }
    }
}
