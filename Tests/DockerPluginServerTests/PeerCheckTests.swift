// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginServer
import Glibc
import MobyFSTesting
import Subprocess
import Synchronization
import SystemPackage
import Testing

@Suite(.enabled(if: FilePath("/usr/bin/curl").exists, "needs curl")) struct PeerCheckTests {
    private static let url = "http://plugin/VolumeDriver.List"

    /// What curl says of a server that hung up without a word: it was connecting, writing, reading or waiting.
    private static let hungUp: Set<Int32?> = [7, 52, 55, 56]

    /// Calls from another process; the exit status of curl.
    private func curl(_ arguments: String...) async throws -> Int32? {
        let result = try await run(
            .name("curl"), arguments: Arguments(["--silent", "--max-time", "20", "--data", "{}"] + arguments),
            output: .discarded)
        guard case .exited(let status) = result.terminationStatus else { return nil }
        return status
    }

    @Test func servesThoseItIsToServe() async throws {
        let asked = Mutex<[Caller]>([])
        let accept: @Sendable (Caller) -> Bool = { caller in
            asked.withLock { $0.append(caller) }
            return caller.userID == getuid()
        }
        try await withServer(MemoryPlugin(), configure: { $0.accepts = accept }) { server in
            let status = try await curl("--unix-socket", server.socket.string, Self.url)
            #expect(status == 0)
            // Of a TCP client nothing is known.
            let overTCP = try await curl("http://127.0.0.1:\(server.port)/VolumeDriver.List")
            #expect(Self.hungUp.contains(overTCP), "\(overTCP ?? -1)")
        }
        let callers = asked.withLock { $0 }
        #expect(callers.map(\.userID) == [getuid(), nil])
        #expect(callers.map { $0.processID == nil } == [false, true])
        #expect(callers.first?.processID != getpid())
    }

    @Test func hangsUpOnOthersAndServesOn() async throws {
        try await withServer(MemoryPlugin(), configure: { $0.accepts = { _ in false } }) { server in
            for _ in 0..<3 {
                let status = try await curl("--unix-socket", server.socket.string, Self.url)
                #expect(Self.hungUp.contains(status), "\(status ?? -1)")
            }
            // The server's own process is let in: it asks itself whether it is alive.
            let answer = try await server.connect().exchange(Wire.post("/VolumeDriver.List", "{}"))
            #expect(answer.contains("200 OK"))
        }
    }
}
