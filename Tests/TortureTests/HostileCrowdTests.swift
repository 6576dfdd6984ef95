// SPDX-License-Identifier: Apache-2.0

import DockerPluginClient
import DockerPluginDiscovery
import Glibc
import MobyFSHost
import MobyFSTesting
import PluginCertificates
import Subprocess
import SystemPackage
import Testing
import TortureSupport

/// More clients than there is room for, and a log that nobody reads.
@Suite(.serialized, .timeLimit(.minutes(10))) struct HostileCrowdTests {
    private static let get = Wire.post("/VolumeDriver.Get", #"{"Name":"v"}"#)

    init() throws {
        try DescriptorAllowance.raise()
    }

    /// All are there before the first asks, and each is answered.
    @Test(.enabled(if: DescriptorAllowance.isAmple, "needs a hard limit of 16,384 descriptors"))
    func fiveThousandClientsAtOnceAreServed() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                _ = try await daemon.call("VolumeDriver.Create", #"{"Name":"v"}"#)
                let before = try DaemonUsage(daemon)
                var unanswered = 0
                do {
                    let wires = try (0..<5000).map { _ in try daemon.connect() }
                    let get = Wire.post(
                        "/VolumeDriver.Get", #"{"Name":"v"}"#, headers: ["Host: x", "Connection: close"])
                    for wire in wires { try wire.send(get) }
                    for wire in wires {
                        let answer = try await wire.receiveAll()
                        if !answer.contains("200 OK") { unanswered += 1 }
                    }
                    let growth = try DaemonUsage(daemon).residentBytes - before.residentBytes
                    #expect(growth < 5000 * 64 << 10, "bytes for 5,000 connections")
                }
                #expect(unanswered == 0, "of 5,000 clients were not served")
                try await eventually("the descriptors are given back") {
                    try DaemonUsage(daemon).descriptors <= before.descriptors
                }
                Torture.note(
                    "5,000 connections at once", times: 1, acknowledged: 5000 - unanswered,
                    Array(repeating: .hung, count: unanswered))
            }
        }
    }

    /// A daemon that is busy for a moment finds them waiting: to be refused is an error to an engine.
    @Test func aBurstOfConnectionsWaits() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                _ = try await daemon.call("VolumeDriver.Create", #"{"Name":"v"}"#)
                daemon.send(SIGSTOP)
                defer { daemon.send(SIGCONT) }
                // To connect would block here for ever, and fails at once where it may not block.
                let waiting = try (0..<1000).map { _ in
                    FileDescriptor(rawValue: try Door.unix(daemon.socket).connect(isPatient: false))
                }
                for descriptor in waiting { try descriptor.writeAll(Self.get.utf8) }
                daemon.send(SIGCONT)
                for descriptor in waiting {
                    try await eventually("an answer") {
                        var first: UInt8 = 0
                        return recv(descriptor.rawValue, &first, 1, 0) == 1
                    }
                    try descriptor.close()
                }
            }
        }
    }

    /// While clients want to be told of all volumes, one of them is looked up as ever.
    @Test func manyWhoListKeepNobodyFromAsking() async throws {
        let (volumes, clients) = (Torture.isFull ? 5000 : 1000, 64)
        try await withTemporaryDirectory { root in
            for number in 0..<volumes {
                let folder = root.appending("data/volumes/v\(number == 0 ? "" : "-\(number)")")
                try Directories.create(folder.appending("data"), mode: 0o700)
                let name = folder.lastComponent?.string ?? ""
                try folder.appending("record.json").write(
                    #"{"createdAt":"2026-01-01T00:00:00Z","driver":"directory","name":"\#(name)","options":{},"#
                        + #""version":1}"#)
            }
            try await withDaemon(in: root, patience: .seconds(60)) { daemon in
                let list = Wire.post("/VolumeDriver.List", "{}", headers: ["Host: x", "Connection: close"])
                let all = try await daemon.connect().exchange(Self.get)
                #expect(all.contains(#""Volume""#))
                let client = try QuietClient(daemon)
                // From now on it is known that a list is long.
                let wire = try daemon.connect()
                try wire.send(list)
                let expected = try await wire.receiveAll()
                #expect(expected.count > volumes * 100)
                let quiet = try await BlockingWork.run { try client.measure(100) }
                let before = try DaemonUsage(daemon)
                let wires = try (0..<clients).map { _ in try daemon.connect() }
                for wire in wires { try wire.send(list) }
                let hostile = try await BlockingWork.run { try client.measure(100) }
                let growth = try DaemonUsage(daemon).residentBytes - before.residentBytes
                var wrong = 0
                for wire in wires {
                    let listed = try await wire.receiveAll()
                    if listed.count != expected.count { wrong += 1 }
                }
                #expect(wrong == 0, "of \(clients) lists")
                // Two lists are made at most at a time, each of what is described and then of its text.
                #expect(growth < 128 << 20, "bytes for \(clients) lists of \(expected.count)")
                let ratio = hostile.p99.kept / quiet.p99.kept
                Torture.note(
                    "\(clients) clients list \(volumes) volumes (p99 ×\((ratio * 10).rounded() / 10))", times: clients,
                    acknowledged: clients + 400, Array(repeating: .wrong, count: wrong))
            }
        }
    }

    /// However many connect, those who ask find room, and work on calls finds descriptors.
    @Test(.enabled(if: FilePath("/usr/bin/prlimit").exists, "needs prlimit"))
    func moreConnectionsThanThereIsRoomForTakeNothingFromThoseWhoAsk() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root, launcher: ["/usr/bin/prlimit", "--nofile=128"]) { daemon in
                let kept = try daemon.connect()
                let created = try await kept.exchange(Wire.post("/VolumeDriver.Create", #"{"Name":"v"}"#))
                #expect(created.contains("200 OK"))
                let before = try DaemonUsage(daemon)
                for socket in [daemon.socket, daemon.runtime.appending("control.sock")] {
                    var most = 0
                    let crowd = try (0..<1000).map { number in
                        if number.isMultiple(of: 50) { most = max(most, try DaemonUsage(daemon).descriptors) }
                        return try Wire(socket)
                    }
                    // Half are for connections, and a few more on their way in or out; some are the daemon's own.
                    #expect(most < 64 + 16 + 30, "while a crowd comes to \(socket)")
                    for wire in [kept, try daemon.connect()] {
                        let answer = try await wire.exchange(Self.get)
                        #expect(answer.contains(#""Volume""#), "\(answer)")
                    }
                    for call in [
                        #"Create {"Name":"w"}"#, #"Mount {"Name":"w","ID":"1"}"#, #"Unmount {"Name":"w","ID":"1"}"#,
                        #"Remove {"Name":"w"}"#,
                    ] {
                        let (method, body) = (call.prefix { $0 != " " }, call.drop { $0 != " " }.dropFirst())
                        let answer = try await daemon.call("VolumeDriver.\(method)", String(body))
                        #expect(!answer.contains("Err"), "\(call): \(answer)")
                    }
                    let load = try await DaemonUsage.idleLoad(of: daemon)
                    #expect(load < 0.3, "of one processor")
                    let descriptors = try DaemonUsage(daemon).descriptors
                    #expect(descriptors < 120)
                    withExtendedLifetime(crowd) {}
                }
                try await eventually("the descriptors are given back") {
                    try DaemonUsage(daemon).descriptors <= before.descriptors
                }
                Torture.note("more connections than descriptors", times: 2000, acknowledged: 13, [])
            }
        }
    }

    /// With hardly any descriptors at all, connections wait, calls are refused with the reason, and nothing is lost.
    @Test(.enabled(if: FilePath("/usr/bin/prlimit").exists, "needs prlimit"))
    func aDaemonWithoutDescriptorsSaysSoAndRecovers() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                let kept = try daemon.connect()
                _ = try await kept.exchange(Wire.post("/VolumeDriver.Create", #"{"Name":"v"}"#))
                let open = Set(
                    try Directories.entries(of: FilePath("/proc/\(daemon.processID)/fd")).compactMap { Int($0) })
                // Each number below that is taken.
                let lowestFree = try #require((0...open.count).first { !open.contains($0) })
                try await setDescriptorLimit(of: daemon, to: lowestFree)
                let waiting = try daemon.connect()
                try waiting.send(Self.get)
                for call in [#"Create {"Name":"w"}"#, #"Mount {"Name":"v","ID":"1"}"#] {
                    let (method, body) = (call.prefix { $0 != " " }, call.drop { $0 != " " }.dropFirst())
                    let answer = try await kept.exchange(Wire.post("/VolumeDriver.\(method)", String(body)))
                    #expect(answer.contains("Too many open files"), "\(answer)")
                }
                let answer = try await kept.exchange(Self.get)
                #expect(answer.contains(#""Volume""#), "\(answer)")
                let load = try await DaemonUsage.idleLoad(of: daemon)
                #expect(load < 0.3, "of one processor, for a connection that cannot be accepted")

                try await setDescriptorLimit(of: daemon, to: 1024)
                let late = try await waiting.receive()
                #expect(late.contains(#""Volume""#), "\(late)")
                let list = try await daemon.call("VolumeDriver.List", "{}")
                #expect(list.contains(#""Name":"v""#) && !list.contains(#""Name":"w""#), "\(list)")
                for call in [#"Create {"Name":"w"}"#, #"Mount {"Name":"v","ID":"1"}"#] {
                    let (method, body) = (call.prefix { $0 != " " }, call.drop { $0 != " " }.dropFirst())
                    let answer = try await kept.exchange(Wire.post("/VolumeDriver.\(method)", String(body)))
                    #expect(!answer.contains("Err"), "\(answer)")
                }
                Torture.note("no descriptor left", times: 1, acknowledged: 5, [])
            }
        }
    }

    private func setDescriptorLimit(of daemon: RunningDaemon, to count: Int) async throws {
        let result = try await run(
            .path("/usr/bin/prlimit"), arguments: ["--pid", "\(daemon.processID)", "--nofile=\(count):"],
            output: .discarded)
        try #require(result.terminationStatus.isSuccess)
    }

    /// Handshakes that stall, before their first byte or in the middle, keep no engine from making one.
    @Test func handshakesThatStallKeepNobodyOut() async throws {
        try await withTemporaryDirectory { root in
            let certificates = CertificateSet(root.appending("tls"))
            _ = try certificates.create(hosts: [CertifiedHost("localhost")])
            let arguments = [
                "--listen", "unix://\(root)/s.sock", "--listen", "tcp://127.0.0.1:0",
                "--tls-cert", certificates.path(of: .server).string,
                "--tls-key", certificates.path(of: .serverKey).string,
                "--tls-ca", certificates.path(of: .authority).string,
            ]
            try await withDaemon(in: root, arguments: arguments) { daemon in
                let output = try daemon.output
                let digits = output.firstRange(of: "https://127.0.0.1:").map {
                    output[$0.upperBound...].prefix { $0.isNumber }
                }
                let port = try #require(digits.flatMap { UInt16($0) }, "\(output)")
                let before = try DaemonUsage(daemon)
                do {
                    let crowd = try (0..<1500).map { _ in try Wire(port: port) }
                    // The beginning of a ClientHello; some may have had to make room by now.
                    for wire in crowd.suffix(700) { try? wire.send([22, 3, 1, 2, 0, 1]) }
                    let tls = SpecTLS(
                        caFile: certificates.path(of: .authority).string,
                        certFile: certificates.path(of: .client).string,
                        keyFile: certificates.path(of: .clientKey).string)
                    var configuration = PluginClient.Configuration()
                    configuration.retries = .none
                    let client = PluginClient(
                        PluginEndpoint(try PluginAddress("https://localhost:\(port)"), tls: tls),
                        configuration: configuration)
                    let implements = try await client.activate()
                    #expect(implements == ["VolumeDriver"])
                    let load = try await DaemonUsage.idleLoad(of: daemon)
                    #expect(load < 0.3, "of one processor")
                    let growth = try DaemonUsage(daemon).residentBytes - before.residentBytes
                    #expect(growth < 1024 * 128 << 10 + 16 << 20, "bytes for 1,024 handshakes")
                    withExtendedLifetime(crowd) {}
                }
                try await eventually("the descriptors are given back") {
                    try DaemonUsage(daemon).descriptors <= before.descriptors + 1
                }
                Torture.note("TLS handshakes that stall", times: 1500, acknowledged: 1, [])
            }
        }
    }

    /// `mobyfs start 2>&1 | sleep 1000`.
    @Test func aLogThatNobodyReadsStopsNothing() async throws {
        try await withTemporaryDirectory { root in
            let fifo = root.appending("stderr")
            try check(mkfifo(fifo.string, 0o600), "mkfifo")
            // Both ends, so that it is open to whoever wants to write.
            let reader = try FileDescriptor.open(fifo, .readWrite, options: .nonBlocking)
            defer { try? reader.close() }  // nothing was written
            let launcher = ["/bin/sh", "-c", #"fifo=$0; exec "$@" 2>"$fifo""#, fifo.string]
            try await withDaemon(in: root, launcher: launcher) { daemon in
                let wire = try daemon.connect()
                // Each is a line of the log; a pipe takes 64 KiB.
                for number in 0..<2500 {
                    let answer = try await wire.exchange(
                        Wire.post("/VolumeDriver.Mount", #"{"Name":"none-\#(number)","ID":"1"}"#))
                    try #require(answer.contains("no such volume"), "\(number): \(answer)")
                }
                let created = try await daemon.call("VolumeDriver.Create", #"{"Name":"v"}"#)
                #expect(created == "{}")
                var log = ""
                try await eventually("the daemon says that it left out lines") {
                    var chunk = [UInt8](repeating: 0, count: 1 << 16)
                    // Nothing there is no error.
                    let count = (try? chunk.withUnsafeMutableBytes { try reader.read(into: $0) }) ?? 0
                    log += String(decoding: chunk[..<count], as: UTF8.self)
                    return log.contains("left out")
                }
                #expect(log.contains("none-0") && log.contains("none-500"))
                // Full once more at the end: that it ends in spite of that shows when this returns.
                for number in 0..<1000 {
                    _ = try await wire.exchange(
                        Wire.post("/VolumeDriver.Mount", #"{"Name":"none-\#(number)","ID":"1"}"#))
                }
                Torture.note("a log that nobody reads", times: 2, acknowledged: 3501, [])
            }
        }
    }
}
