// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSTesting
import SystemPackage
import Testing

/// One daemon that goes by several names.
@Suite struct NamesTests {
    private func call(_ method: String, _ body: String, on socket: FilePath) async throws -> String {
        let answer = try await Wire(socket).exchange(Wire.post("/VolumeDriver.\(method)", body))
        return answer.firstRange(of: "\r\n\r\n").map { String(answer[$0.upperBound...]) } ?? answer
    }

    @Test func eachNameHasASocketASpecFileAndDefaultsOfItsOwn() async throws {
        try await withTemporaryDirectory { root in
            let names = ["--name", "local-persist: mode=0750", "--name", "scratch"]
            let spec = root.appending("docker/plugins/local-persist.spec")
            try await withDaemon(in: root, arguments: names) { daemon in
                let socket = daemon.runtime.appending("local-persist.sock")
                #expect(try spec.text == "unix://\(socket)\n")
                #expect(daemon.runtime.appending("scratch.sock").exists)
                let created = try await call("Create", #"{"Name":"a","Opts":{}}"#, on: socket)
                #expect(created == "{}")
                let other = try await call("Create", #"{"Name":"b","Opts":{"mode":"0700"}}"#, on: socket)
                #expect(other == "{}")
                let defaulted = try await call("Get", #"{"Name":"a"}"#, on: socket)
                #expect(defaulted.contains(#""mode":"0750""#))
                let asked = try await call("Get", #"{"Name":"b"}"#, on: socket)
                #expect(asked.contains(#""mode":"0700""#))
                // The same wish again is no other wish.
                let again = try await call("Create", #"{"Name":"a","Opts":{}}"#, on: socket)
                #expect(again == "{}")
            }
            #expect(!spec.exists)
            #expect(!root.appending("run/local-persist.sock").exists)
        }
    }

    /// Engines hide a volume that two drivers list, and forget one that its driver denies.
    @Test func aVolumeIsListedUnderOneNameAndThereUnderAll() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root, arguments: ["--name", "other"]) { daemon in
                let socket = daemon.runtime.appending("other.sock")
                let created = try await call("Create", #"{"Name":"v"}"#, on: socket)
                #expect(created == "{}")
                let listed = try await call("List", "{}", on: socket)
                #expect(listed.contains(#""Name":"v""#))
                #expect(try await daemon.call("VolumeDriver.List", "{}") == #"{"Volumes":[]}"#)
                #expect(try await daemon.call("VolumeDriver.Get", #"{"Name":"v"}"#).contains(#""Volume""#))
            }
            // Served by that name no more, it is the daemon's own.
            try await withDaemon(in: root) { daemon in
                let listed = try await daemon.call("VolumeDriver.List", "{}")
                #expect(listed.contains(#""Name":"v""#))
            }
        }
    }

    @Test(arguments: [
        ("lp: uidd=1", "did you mean 'uid'"), ("lp: mode=999", "option mode='999' is not an octal mode"),
        ("mobyfs", "the daemon's own name"), ("../x", "is no name for a plugin"),
    ])
    func refusesANameThatMakesNoSense(name: String, complaint: String) async throws {
        try await withTemporaryDirectory { root in
            let refused = try await runToEnd(RunningDaemon.arguments(in: root) + ["--name", name])
            #expect(refused.status == 64)
            #expect(refused.output.contains(complaint), "\(refused.output)")
        }
    }

    @Test func refusesASpecFileOfSomebodyElse() async throws {
        try await withTemporaryDirectory { root in
            let spec = root.appending("docker/plugins/lp.spec")
            try await withDaemon(in: root) { _ in }
            try spec.write("unix:///run/other.sock\n")
            let refused = try await runToEnd(RunningDaemon.arguments(in: root) + ["--name", "lp"])
            #expect(refused.status != 0)
            #expect(refused.output.contains("was not written by mobyfs and says 'unix:///run/other.sock"))
            #expect(try spec.text == "unix:///run/other.sock\n")
        }
    }
}
