// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import Synchronization
import SystemPackage
import Testing

/// What the daemon has from systemd and tells it, through libsystemd.
///
/// Here the test stands in for systemd, and for its socket units systemd's own `systemd-socket-activate` does. The
/// engine-level tests have a whole systemd.
@Suite struct ServiceManagerTests {
    @Test func tellsItsStateInTheManagersWords() async throws {
        try await withTemporaryDirectory { root in
            let manager = try NotifySocket(root.appending("notify"))
            try root.appending("mobyfs.env").write("")
            let environment = ["NOTIFY_SOCKET": "\(root)/notify", "WATCHDOG_USEC": "400000"]
            try await withDaemon(
                in: root, arguments: ["--config", "\(root)/mobyfs.env"], environment: environment
            ) { daemon in
                try await manager.wait(for: "READY=1\nSTATUS=0 volumes, 0 in use")
                // The daemon has asked itself over its own socket before it says so.
                try await manager.wait(for: "WATCHDOG=1")
                _ = try await daemon.call("VolumeDriver.Create", #"{"Name":"v"}"#)
                try await manager.wait(for: "STATUS=1 volume, 0 in use")
                _ = try await daemon.call("VolumeDriver.Mount", #"{"Name":"v","ID":"i"}"#)
                try await manager.wait(for: "STATUS=1 volume, 1 in use")
                daemon.send(SIGHUP)
                try await manager.wait(for: "RELOADING=1\nMONOTONIC_USEC=")
                try root.appending("mobyfs.env").write("nonsense")
                daemon.send(SIGHUP)
                try await manager.wait(for: "reload failed:")
                daemon.send(SIGTERM)
                try await manager.wait(for: "STOPPING=1")
            }
        }
    }

    @Test(.enabled(if: FilePath("/usr/bin/systemd-socket-activate").exists, "needs systemd-socket-activate"))
    func servesAllSocketsThatArePassed() async throws {
        try await withTemporaryDirectory { root in
            let launcher = [
                "/usr/bin/systemd-socket-activate", "--listen", "\(root)/one.sock", "--listen", "\(root)/two.sock",
                "--fdname", "mobyfs:mobyfs",
            ]
            try await withDaemon(in: root, launcher: launcher) { daemon in
                let (one, two) = (root.appending("one.sock"), root.appending("two.sock"))
                try await daemon.wait("the sockets") { one.isListeningSocket && two.isListeningSocket }
                // The first connection is what starts the daemon.
                for socket in [one, two, one] {
                    let answer = try await Wire(socket).exchange(Wire.post("/Plugin.Activate", ""))
                    #expect(answer.hasPrefix("HTTP/1.1 200 OK"))
                }
                #expect(!daemon.socket.exists)
            }
            // They belong to who passed them.
            #expect(root.appending("one.sock").exists)
        }
    }
}

/// The socket that a service manager reads notifications from.
private final class NotifySocket: Sendable {
    private let descriptor: CInt
    private let messages = Mutex<[String]>([])

    init(_ path: FilePath) throws {
        descriptor = try check(socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0), "socket")
        try check(withUnixAddress(path) { bind(descriptor, $0, $1) }, "bind '\(path)'")
    }

    deinit {
        close(descriptor)
    }

    struct NeverSaid: Error {
        let wanted: String
        let said: [String]
    }

    /// Waits for a message that has the text in it, among those that came and those to come.
    func wait(for text: String) async throws {
        let deadline = ContinuousClock.now + .seconds(90)
        while true {
            receive()
            let said = messages.withLock { $0 }
            if said.contains(where: { $0.contains(text) }) { return }
            guard ContinuousClock.now < deadline else { throw NeverSaid(wanted: text, said: said) }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    private func receive() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, CInt(MSG_DONTWAIT))
            guard count > 0 else { return }
            messages.withLock { $0.append(String(decoding: buffer[..<count], as: UTF8.self)) }
        }
    }
}
