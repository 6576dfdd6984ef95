// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// What the units let the daemon do, and what of it and its files others can get at.
@Suite(.timeLimit(.minutes(10))) struct LeastPrivilegeTests {
    private static let units = FilePath(#filePath).removingLastComponent().removingLastComponent()
        .removingLastComponent().appending("packaging/systemd")
    private static let analyzer = HelperProgram("systemd-analyze", package: "systemd")

    /// 252 is the first that looks at a unit file that is not installed, and can say no.
    private static func canAnalyze() async -> Bool {
        // None: then it cannot.
        guard let said = try? await analyzer.run(["--version"], until: .now + .seconds(90)) else { return false }
        return said.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 >= 252 } ?? false
    }

    /// To be lowered with the unit; who has to raise one says in the unit why.
    @Test(
        .enabled("systemd-analyze is missing or older than 252") { await canAnalyze() },
        arguments: [("mobyfs.service", 51), ("mobyfs-snapshots.service", 10)])
    func theExposureOfAUnitDoesNotRise(unit: String, tenths: Int) async throws {
        do {
            try await Self.analyzer.run(
                [
                    "security", "--offline=true", "--no-pager", "--threshold=\(tenths)",
                    Self.units.appending(unit).string,
                ], until: .now + .seconds(60))
        } catch let error as HelperError {
            Issue.record("\(unit) is more exposed than \(tenths) tenths: \(error.lines.joined(separator: "\n"))")
        }
    }

    @Test func eachCapabilityOfTheUnitHasItsReason() throws {
        let lines = try Self.units.appending("mobyfs.service").text.split(separator: "\n")
        let capabilities = lines.filter { $0.hasPrefix("CapabilityBoundingSet=") }.flatMap { line in
            line.drop { $0 != "=" }.dropFirst().split(separator: " ").map { String($0.dropFirst("CAP_".count)) }
        }
        #expect(!capabilities.isEmpty)
        let comments = lines.filter { $0.hasPrefix("#") }.joined(separator: "\n")
        for capability in capabilities {
            let isExplained = ["\(capability): ", "\(capability), "].contains { comments.contains($0) }
            #expect(isExplained, "no comment says what CAP_\(capability) is for")
        }
    }

    // MARK: - Files

    /// The only files that others may read are the spec file, and what is in volumes.
    @Test func othersGetAtNothingOfTheDaemon() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                for request in [#"{"Name":"a"}"#, #"{"Name":"b","Opts":{"on-remove":"trash"}}"#, #"{"Name":"c"}"#] {
                    #expect(try await daemon.call("VolumeDriver.Create", request) == "{}")
                }
                #expect(try await daemon.call("VolumeDriver.Mount", #"{"Name":"a","ID":"i"}"#).contains("Mountpoint"))
                #expect(try await daemon.call("VolumeDriver.Remove", #"{"Name":"b"}"#) == "{}")
                let control = try Wire(daemon.runtime.appending("control.sock"))
                let request = Wire.post("/Control.CreateSnapshot", #"{"Name":"c","Snapshot":"s"}"#)
                #expect(try await control.exchange(request).contains("200 OK"))
                var seen = 0
                for folder in [daemon.data, daemon.runtime] {
                    #expect(folder.attributes.mode == 0o710, "\(folder)")
                    seen += try Self.examine(folder)
                }
                #expect(daemon.socket.attributes.mode == 0o600)
                #expect(seen > 10)
                let specs = try Directories.entries(of: daemon.specDirectory)
                #expect(specs.count == 1)
                for spec in specs { #expect(daemon.specDirectory.appending(spec).attributes.mode == 0o644) }
            }
        }
    }

    /// Looks at all that is below a folder.
    ///
    /// - Returns: How much that is.
    private static func examine(_ folder: FilePath) throws -> Int {
        var count = 0
        for name in try Directories.entries(of: folder) {
            let path = folder.appending(name)
            count += 1
            let (mode, owner, group) = path.attributes
            #expect(owner == geteuid() && group == getegid(), "\(path)")
            if Directories.isRealDirectory(path) {
                // What is handed out is as its options say; all around it can be passed at most.
                if name == "data" { continue }
                #expect(mode & 0o066 == 0, "\(path) \(String(mode, radix: 8))")
                count += try examine(path)
            } else {
                #expect(mode & 0o177 == 0, "\(path) \(String(mode, radix: 8))")
            }
        }
        return count
    }

    /// Programs with set-user-ID bits are what containers may leave for a friend on the host.
    @Test(.enabled(if: Machine.isRoot, "needs root, to become somebody else"))
    func nobodyReachesTheProgramsInAVolume() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                _ = try await daemon.call("VolumeDriver.Create", #"{"Name":"a"}"#)
                let program = daemon.data.appending("volumes/a/data/id")
                try await Shell.run("cp /usr/bin/id '\(program)'; chmod 4755 '\(program)'")
                let user = HelperProgram("setpriv", package: "util-linux")
                await #expect(throws: HelperError.self) {
                    try await user.run(
                        // Not itself: it may still do everything until it starts a program.
                        ["--reuid=65534", "--regid=65534", "--clear-groups", "--", "sh", "-c", "exec '\(program)'"],
                        until: .now + .seconds(90))
                }
            }
        }
    }

    // MARK: - Secrets

    /// A password goes to the program that mounts, and to nowhere else.
    @Test(.enabled(if: Machine.isRoot && Mounts.knows(type: "cifs"), "needs root and a kernel with cifs"))
    func aPasswordIsSeenByNobody() async throws {
        try await look(driver: "cifs")
    }

    @Test(.enabled(if: Machine.isRoot, "mounting needs root"))
    func aPasswordOfSSHIsSeenByNobody() async throws {
        try await look(driver: "sshfs")
    }

    private func look(driver: String) async throws {
        let isSSH = driver == "sshfs"
        try await withTemporaryDirectory { root in
            let secret = "marker-\(String(UInt64.random(in: 0...UInt64.max), radix: 36))"
            // A program of that name that says what others can see of it, and waits until that was looked at.
            let folder = root.appending("bin")
            try Directories.create(folder, mode: 0o755)
            let program = folder.appending(isSSH ? "sshfs" : "mount.cifs")
            try program.write(
                """
                #!/bin/sh
                cat >'\(root)/input'; cat /proc/self/coredump_filter >'\(root)/filter'; ulimit -Hc >'\(root)/limit'
                echo >'\(root)/running'; while [ ! -e '\(root)/seen' ]; do sleep 0.05; done
                echo 'mount error: \(secret) is wrong' >&2; exit 32
                """)
            try check(chmod(program.string, 0o755), "chmod '\(program)'")
            let search = "\(folder):/usr/sbin:/usr/bin:/sbin:/bin"
            let options =
                isSSH
                ? #""type":"sshfs","device":"me@127.0.0.1:/srv","password":"\#(secret)""#
                : #""type":"cifs","device":"//127.0.0.1/share","username":"me","password":"\#(secret)""#
            try await withDaemon(
                in: root, arguments: ["--log-level", "trace"], environment: ["PATH": search]
            ) { daemon in
                let created = try await daemon.call("VolumeDriver.Create", #"{"Name":"s","Opts":{\#(options)}}"#)
                #expect(created == "{}")
                async let mounted = daemon.call("VolumeDriver.Mount", #"{"Name":"s","ID":"i"}"#)
                try await eventually("the program runs") { root.appending("running").exists }
                #expect(try Self.commandLines(with: secret) == [])
                try root.appending("seen").write("")
                let refused = try await mounted
                var answers = [created, refused]
                for (method, request) in [("Get", #"{"Name":"s"}"#), ("List", "{}"), ("Path", #"{"Name":"s"}"#)] {
                    answers.append(try await daemon.call("VolumeDriver.\(method)", request))
                }
                let control = try Wire(daemon.runtime.appending("control.sock"))
                answers.append(try await control.exchange(Wire.post("/Control.InspectVolume", #"{"Name":"s"}"#)))
                for answer in answers { #expect(!answer.contains(secret), "\(answer)") }
                #expect(try root.appending("input").text.contains(secret))
                #expect(try Self.coreDumpFilter(of: daemon.processID) == "00000000")
                #expect(try root.appending("filter").text.contains("00000000"))
                #expect(try root.appending("limit").text == "0\n")
                // Kept for the next Mount, as the manual says, for root alone.
                let found = try await Shell.run(
                    "grep -rlaF '\(secret)' '\(daemon.data)' '\(daemon.runtime)' '\(root)/docker' '\(root)/daemon.log' || true"
                )
                #expect(found == "\(daemon.data)/volumes/s/secrets.json\n")
                #expect(daemon.data.appending("volumes/s/secrets.json").attributes.mode == 0o600)
            }
        }
    }

    private static func coreDumpFilter(of process: Int32) throws -> String {
        try FilePath("/proc/\(process)/coredump_filter").text.filter { !$0.isNewline }
    }

    /// The processes whose arguments have a text in them, this one's shell left out.
    private static func commandLines(with text: String) throws -> [String] {
        try Directories.entries(of: "/proc").filter { Int32($0) != nil }.compactMap { process in
            // Some have just ended.
            guard let line = try? FilePath("/proc/\(process)/cmdline").text, line.contains(text) else { return nil }
            return line
        }
    }
}
