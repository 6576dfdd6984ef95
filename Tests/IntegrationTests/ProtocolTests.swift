// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// The built daemon over its socket, byte by byte, with what engines of every era send.
@Suite struct ProtocolTests {
    private func withServedDaemon(_ body: @escaping @Sendable (RunningDaemon) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in try await withDaemon(in: root, body) }
    }

    private static let activated = #"{"Implements":["VolumeDriver"]}"#

    /// Engines up to 20.10.25 send an empty Host over unix sockets; none sends a Content-Type.
    @Test func takesAnyHostAndContentType() async throws {
        try await withServedDaemon { daemon in
            let variants = [
                ["Host: plugin.moby.localhost"], ["Host: "], ["Host: /run/docker"], [],
                ["Host: x", "Content-Type: text/plain"],
            ]
            for headers in variants {
                let answer = try await daemon.connect().exchange(Wire.post("/Plugin.Activate", "", headers: headers))
                #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"), "\(headers)")
                #expect(answer.hasSuffix(Self.activated), "\(headers)")
            }
        }
    }

    @Test func servesAVolumesLife() async throws {
        try await withServedDaemon { daemon in
            #expect(try await daemon.call("VolumeDriver.Create", "{\"Name\":\"v\",\"Opts\":null}\n") == "{}")
            let path = "\(daemon.data)/volumes/v/data"
            #expect(try await daemon.call("VolumeDriver.Path", #"{"Name":"v"}"#) == "{\"Mountpoint\":\"\(path)\"}")
            let mount = #"{"Name":"v","ID":"0123456789abcdef"}"#
            #expect(try await daemon.call("VolumeDriver.Mount", mount) == "{\"Mountpoint\":\"\(path)\"}")
            let described = try await daemon.call("VolumeDriver.Get", #"{"name":"v","Extra":[1,{}]}"#)
            #expect(described.hasPrefix("{\"Volume\":{\"Name\":\"v\",\"Mountpoint\":\"\(path)\",\"CreatedAt\":\"20"))
            #expect(described.contains(#""mounts":1"#))
            #expect(try await daemon.call("VolumeDriver.List", "{}").hasPrefix(#"{"Volumes":[{"Name":"v","#))
            #expect(try await daemon.call("VolumeDriver.Unmount", mount) == "{}")
            #expect(try await daemon.call("VolumeDriver.Unmount", mount) == "{}")
            #expect(try await daemon.call("VolumeDriver.Remove", #"{"Name":"v"}"#) == "{}")
            #expect(try await daemon.call("VolumeDriver.Remove", #"{"Name":"v"}"#) == "{}")
            let gone = try await daemon.call("VolumeDriver.Get", #"{"Name":"v"}"#)
            #expect(gone == #"{"Err":"no such volume: 'v'"}"#)
            let capabilities = try await daemon.call("VolumeDriver.Capabilities", "{}")
            #expect(capabilities == #"{"Capabilities":{"Scope":"local"}}"#)
        }
    }

    @Test(arguments: ["Create", "Remove", "Mount", "Unmount", "Path", "Get"])
    func hangsUpOnTheEmptyRetryAndChangesNothing(method: String) async throws {
        try await withServedDaemon { daemon in
            let wire = try daemon.connect()
            try wire.send(Wire.post("/VolumeDriver.\(method)", ""))
            #expect(try await wire.receiveAll().isEmpty)
            #expect(try await daemon.call("VolumeDriver.List", "") == #"{"Volumes":[]}"#)
        }
    }

    @Test func refusesUnknownPathsAndOtherMethods() async throws {
        try await withServedDaemon { daemon in
            let wire = try daemon.connect()
            for path in [
                "/", "/VolumeDriver.Destroy", "/NetworkDriver.Join", "/volumedriver.get", "/VolumeDriver", "*",
            ] {
                let answer = try await wire.exchange(Wire.post(path, "{}"))
                #expect(answer.hasPrefix("HTTP/1.1 404 Not Found\r\n"), "\(path)")
                #expect(answer.hasSuffix("\"}"), "\(path)")
            }
            for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
                let answer = try await wire.exchange("\(method) /VolumeDriver.List HTTP/1.1\r\nHost: x\r\n\r\n")
                #expect(answer.hasPrefix("HTTP/1.1 405 Method Not Allowed\r\n"), "\(method)")
                #expect(answer.contains("Allow: POST"))
            }
            // All that over one connection, which still serves.
            #expect(try await wire.exchange(Wire.post("/Plugin.Activate", "")).hasSuffix(Self.activated))
        }
    }

    @Test func takesBodiesOfOneMebibyteAndNoMore() async throws {
        try await withServedDaemon { daemon in
            let frame = #"{"Name":"absent","Fill":""}"#.utf8.count
            let fits = #"{"Name":"absent","Fill":""# + String(repeating: "x", count: (1 << 20) - frame) + #""}"#
            #expect(fits.utf8.count == 1 << 20)
            #expect(try await daemon.call("VolumeDriver.Get", fits) == #"{"Err":"no such volume: 'absent'"}"#)

            let announced = try daemon.connect()
            try announced.send("POST /VolumeDriver.Get HTTP/1.1\r\nHost: x\r\nContent-Length: 1099511627776\r\n\r\n")
            #expect(try await announced.receiveAll().hasPrefix("HTTP/1.1 413 "))
            let chunked = try daemon.connect()
            try chunked.send("POST /VolumeDriver.Get HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            try chunked.send("100001\r\n" + String(repeating: "x", count: 0x100001) + "\r\n")
            #expect(try await chunked.receiveAll().hasPrefix("HTTP/1.1 413 "))
        }
    }

    @Test func answersPipelinedRequestsInTheirOrder() async throws {
        try await withServedDaemon { daemon in
            let wire = try daemon.connect()
            try wire.send(
                (0..<50).map {
                    Wire.post("/VolumeDriver.Create", "{\"Name\":\"v\($0)\"}")
                        + Wire.post("/VolumeDriver.Path", "{\"Name\":\"v\($0)\"}")
                }.joined())
            for index in 0..<50 {
                #expect(try await wire.receive().hasSuffix("{}"))
                #expect(try await wire.receive().hasSuffix("/v\(index)/data\"}"))
            }
        }
    }

    @Test func answersManyConnectionsAtOnce() async throws {
        try await withServedDaemon { daemon in
            try await withThrowingTaskGroup { group in
                for index in 0..<100 {
                    group.addTask {
                        let created = try await daemon.call(
                            "VolumeDriver.Create", "{\"Name\":\"v\(index % 20)\",\"Opts\":{}}")
                        #expect(created == "{}")
                    }
                }
                try await group.waitForAll()
            }
            let listed = try await daemon.call("VolumeDriver.List", "{}")
            #expect(listed.components(separatedBy: "\"Name\"").count == 21)
        }
    }

    @Test func servesClientsThatAreNoEngine() async throws {
        try await withServedDaemon { daemon in
            // Sends no more, but wants the answer.
            let half = try daemon.connect()
            try half.send(Wire.post("/VolumeDriver.Create", #"{"Name":"v"}"#))
            half.endSending()
            #expect(try await half.receiveAll().hasSuffix("{}"))
            // HTTP/1.0 ends with the answer.
            let old = try daemon.connect()
            try old.send("POST /VolumeDriver.List HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}")
            #expect(try await old.receiveAll().contains("\"Volumes\""))
            // curl with a large body asks first.
            let asking = try daemon.connect()
            try asking.send(
                "POST /VolumeDriver.List HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            #expect(try await asking.receive().hasPrefix("HTTP/1.1 100 "))
            try asking.send("{}")
            #expect(try await asking.receive().hasPrefix("HTTP/1.1 200 "))
            // What follows these would be another protocol, which is not spoken here.
            for request in [
                "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
                "POST /Plugin.Activate HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            ] {
                let upgrading = try daemon.connect()
                try upgrading.send(request)
                #expect(try await upgrading.receiveAll().contains("Connection: close"))
            }
            // What is no HTTP at all is told so and let go.
            let noise = try daemon.connect()
            try noise.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03, 0x0D, 0x0A, 0x0D, 0x0A])
            #expect(try await noise.receiveAll().hasPrefix("HTTP/1.1 400 "))
            #expect(try await daemon.call("Plugin.Activate", "") == Self.activated)
        }
    }

    @Test(arguments: [
        "{\"Name\":\"v\"", "\u{0}\u{1}\u{2}", "[]", "{\"Name\":1}", "{\"x\":" + String(repeating: "[", count: 100_000),
        "{}",
    ])
    func saysWhatIsWrongWithABody(body: String) async throws {
        try await withServedDaemon { daemon in
            let answer = try await daemon.connect().exchange(Wire.post("/VolumeDriver.Create", body))
            #expect(answer.hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
            #expect(answer.contains("{\"Err\":\""))
            #expect(try await daemon.call("VolumeDriver.List", "") == #"{"Volumes":[]}"#)
        }
    }

    @Test(arguments: ["../x", "a/b", "", String(repeating: "x", count: 300), "a\\u0000b", "a\\nb", "é", "-v", "."])
    func refusesNamesThatAreNone(name: String) async throws {
        try await withServedDaemon { daemon in
            for method in ["Create", "Mount", "Remove"] {
                let answer = try await daemon.call("VolumeDriver.\(method)", "{\"Name\":\"\(name)\",\"ID\":\"i\"}")
                #expect(answer.hasPrefix("{\"Err\":\"'"), "\(answer)")
                #expect(answer.contains("begins with a letter or a digit"), "\(answer)")
            }
            // No such volume, for certain.
            #expect(
                try await daemon.call("VolumeDriver.Get", "{\"Name\":\"\(name)\"}").hasPrefix(
                    "{\"Err\":\"no such volume"))
            #expect(try Directories.entries(of: daemon.data.appending("volumes")).isEmpty)
        }
    }
}
