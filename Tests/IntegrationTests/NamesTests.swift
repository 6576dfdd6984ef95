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

    @Test func aNameMayHaveOptionsThatAreNoVolumeYet() async throws {
        try await withTemporaryDirectory { root in
            let names = [
                "--name", "folders: type=none o=bind", "--name", "nfs: type=nfs", "--name", "net: driver=mount",
            ]
            try await withDaemon(in: root, arguments: names) { daemon in
                let socket = daemon.runtime.appending("folders.sock")
                let refused = try await call("Create", #"{"Name":"a","Opts":{}}"#, on: socket)
                #expect(refused.contains("option 'device' is missing"))
                let body = #"{"Name":"a","Opts":{"device":"/srv"}}"#
                let created = try await call("Create", body, on: socket)
                #expect(created == "{}")
            }
        }
    }

    /// Engines look for `vieux/sshfs` and `vieux/sshfs:latest` in two files of one folder.
    @Test func namesOfManagedPluginsAreServed() async throws {
        try await withTemporaryDirectory { root in
            let folder = root.appending("docker/plugins/vieux")
            let names = ["--name", "vieux/sshfs:latest: mode=0750", "--name", "vieux/sshfs"]
            try await withDaemon(in: root, arguments: names) { daemon in
                let socket = daemon.runtime.appending("vieux+sshfs@latest.sock")
                #expect(try folder.appending("sshfs:latest.spec").text == "unix://\(socket)\n")
                let other = daemon.runtime.appending("vieux+sshfs.sock")
                #expect(try folder.appending("sshfs.spec").text == "unix://\(other)\n")
                let created = try await call("Create", #"{"Name":"a","Opts":{}}"#, on: socket)
                #expect(created == "{}")
                let got = try await call("Get", #"{"Name":"a"}"#, on: socket)
                #expect(got.contains(#""mode":"0750""#))
                let listed = try await call("List", "{}", on: other)
                #expect(listed == #"{"Volumes":[]}"#)
                let place = ["--spec-dir", "\(daemon.specDirectory)"]
                let shown = try await runToEnd(["spec", "show", "--name", "vieux/sshfs:latest"] + place)
                #expect(shown.status == 0)
                #expect(shown.output.contains("\(folder)/sshfs:latest.spec unix://\(socket) (written by mobyfs"))
                let known = try await runToEnd(["plugin", "ls", "-q", "--socket-dir", "\(root)/none"] + place)
                #expect(known.output == "mobyfs\nvieux/sshfs\nvieux/sshfs:latest\n")
            }
            #expect(root.appending("docker/plugins").exists)
            #expect(!folder.exists)
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
            #expect(refused.status == 2)
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
