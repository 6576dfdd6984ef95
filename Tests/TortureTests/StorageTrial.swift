// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing
import TortureSupport

/// A daemon whose storage falls ill, and what it says and keeps meanwhile.
actor StorageTrial {
    /// Who answers from memory answers at once, even on a busy machine.
    private static let promptly = Duration.seconds(2)
    /// What an engine waits for Get, List and Unmount; for Create and Mount it is twice that.
    private static let engineLimit = Duration.seconds(60)

    nonisolated let daemon: RunningDaemon
    private let fault: String
    private let images: Bool
    private var findings: [(kind: Torture.Loss, text: String)] = []
    private var calls = 0
    private var acknowledged = 0

    /// The volumes that nobody holds, and those that somebody does.
    private var free: [String] { images ? ["data", "image"] : ["data"] }
    private var held: [String] { images ? ["held", "heldimage"] : ["held"] }
    /// What the test has created besides, and looks after itself.
    private var others: [String] = []

    private init(_ daemon: RunningDaemon, _ fault: String, images: Bool) {
        self.daemon = daemon
        self.fault = fault
        self.images = images
    }

    /// Runs `body` with a daemon whose volumes have data and a snapshot, or are mounted; and says what came of it.
    static func run(
        _ fault: String, with daemon: RunningDaemon, images: Bool = true,
        _ body: @Sendable (StorageTrial) async throws -> Void
    ) async throws {
        let trial = StorageTrial(daemon, fault, images: images)
        do {
            try await trial.fill()
            try await body(trial)
        } catch {
            // What went wrong before says more.
            await trial.report()
            throw error
        }
        await trial.report()
    }

    private func fill() async throws {
        for name in free + held {
            let options = name.hasSuffix("image") ? #"{"driver":"image","size":"20MiB"}"# : #"{"driver":"directory"}"#
            await expect("VolumeDriver.Create", #"{"Name":"\#(name)","Opts":\#(options)}"#)
            let mounted = await expect("VolumeDriver.Mount", #"{"Name":"\#(name)","ID":"h"}"#)
            let path = try #require(mounted?["Mountpoint"]?.string)
            // What is not on the disk, nobody was promised.
            try DurableFile.write(name.utf8, to: FilePath(path).appending("file"))
            guard free.contains(name) else { continue }
            await expect("VolumeDriver.Unmount", #"{"Name":"\#(name)","ID":"h"}"#)
            await expect("Control.CreateSnapshot", #"{"Name":"\#(name)","Snapshot":"s"}"#)
        }
    }

    private func report() {
        Torture.note(fault, times: calls, acknowledged: acknowledged, findings.map(\.kind))
        for finding in findings.prefix(10) { Issue.record("\(fault): \(finding.kind): \(finding.text)") }
    }

    /// Creates a volume that the test looks after itself.
    func create(_ name: String, options: String) async {
        others.append(name)
        await expect("VolumeDriver.Create", #"{"Name":"\#(name)","Opts":\#(options)}"#)
    }

    // MARK: - Calling

    /// Makes a call.
    ///
    /// - Parameters:
    ///   - method: Of the plugin or of the control socket.
    ///   - body: The request.
    ///   - causes: Of which the error has to say one; none for a call that has to succeed.
    ///   - limit: How long it may take.
    /// - Returns: The answer; nil if there is none.
    @discardableResult
    func expect(
        _ method: String, _ body: String, refusedFor causes: [String] = [], within limit: Duration? = nil
    ) async -> JSONValue? {
        calls += 1
        let begin = ContinuousClock.now
        let reply: JSONValue?
        do {
            let socket = method.hasPrefix("Control.") ? daemon.runtime.appending("control.sock") : daemon.socket
            let text = try await Wire(socket, patience: 125).exchange(Wire.post("/\(method)", body))
            let content = text.firstRange(of: "\r\n\r\n").map { text[$0.upperBound...] } ?? ""
            // An engine that asks for a volume nothing is known of is hung up on.
            reply = try? JSONValue(parsing: Array(content.utf8))
        } catch {
            findings.append((.hung, "\(method) \(body): \(error)"))
            return nil
        }
        let time = ContinuousClock.now - begin
        let isLong = method.hasSuffix(".Create") || method.hasSuffix(".Mount")
        if time > limit ?? (isLong ? Self.engineLimit * 2 : Self.engineLimit) {
            findings.append((.hung, "\(method) \(body): after \(time)"))
        }
        let error = reply?["Err"]?.string ?? ""
        if causes.isEmpty, error.isEmpty, reply != nil { acknowledged += 1 }
        if causes.isEmpty ? !error.isEmpty : !causes.contains(where: error.lowercased().contains) {
            findings.append((.wrong, "\(method) \(body): \(reply.map { "\($0)".prefix(300) } ?? "no answer")"))
        }
        return reply
    }

    /// What an engine reads, and lets go of, is answered as if nothing was wrong.
    func answersReads() async {
        for name in free + held {
            let got = await expect("VolumeDriver.Get", #"{"Name":"\#(name)"}"#, within: Self.promptly)
            if got?["Volume"]?["Name"]?.string != name { findings.append((.lost, "Get \(name): \(got, default: "-")")) }
            await expect("VolumeDriver.Path", #"{"Name":"\#(name)"}"#, within: Self.promptly)
            await expect("Control.InspectVolume", #"{"Name":"\#(name)"}"#, within: Self.promptly)
        }
        await expectNames(free + held + others)
        await expect("VolumeDriver.Capabilities", "{}", within: Self.promptly)
        await expect("Control.ListVolumes", "{}", within: Self.promptly)
        await expect("VolumeDriver.Unmount", #"{"Name":"data","ID":"never"}"#, within: Self.promptly)
    }

    func letsGo() async {
        for name in held { await expect("VolumeDriver.Unmount", #"{"Name":"\#(name)","ID":"h"}"#) }
    }

    private func expectNames(_ names: [String]) async {
        let list = await expect("VolumeDriver.List", "{}", within: Self.promptly)
        let found = (list?["Volumes"]?.array ?? []).compactMap { $0["Name"]?.string }.sorted()
        if found != names.sorted() {
            let kind: Torture.Loss = Set(found).isSuperset(of: names) ? .leaked : .lost
            findings.append((kind, "\(found), acknowledged \(names)"))
        }
    }

    /// What needs to write into the pool is refused, side by side.
    func refusesWriting(_ causes: String..., exceptRemoving: Bool = false) async {
        var calls = [
            ("VolumeDriver.Create", #"{"Name":"new","Opts":{"driver":"directory"}}"#),
            ("Control.CreateVolume", #"{"Name":"other","Options":{"driver":"directory"}}"#),
        ]
        for name in free {
            calls += [
                ("Control.SetVolume", #"{"Name":"\#(name)","Options":{"mode":"0711"}}"#),
                ("Control.CreateSnapshot", #"{"Name":"\#(name)","Snapshot":"sick"}"#),
                ("Control.RestoreSnapshot", #"{"Name":"\#(name)","Snapshot":"s"}"#),
            ]
            guard !exceptRemoving else { continue }
            calls += [
                ("VolumeDriver.Remove", #"{"Name":"\#(name)"}"#),
                ("Control.RemoveVolume", #"{"Name":"\#(name)"}"#),
                ("Control.RemoveSnapshot", #"{"Name":"\#(name)","Snapshot":"s"}"#),
                ("Control.RenameVolume", #"{"Name":"\#(name)","NewName":"renamed"}"#),
            ]
        }
        if images { calls.append(("Control.ResizeVolume", #"{"Name":"image","Size":"24MiB"}"#)) }
        await refuses(calls, causes)
    }

    /// What needs to read the pool is refused, side by side.
    func refusesReading(_ causes: String...) async {
        var calls = [("Control.ListTrash", "{}"), ("Control.PruneVolumes", #"{"DryRun":true}"#)]
        for name in free {
            calls += [
                ("VolumeDriver.Mount", #"{"Name":"\#(name)","ID":"sick"}"#),
                ("Control.ListSnapshots", #"{"Name":"\#(name)"}"#),
            ]
        }
        await refuses(calls, causes)
    }

    private func refuses(_ calls: [(method: String, body: String)], _ causes: [String]) async {
        await withDiscardingTaskGroup { group in
            for call in calls {
                group.addTask { await self.expect(call.method, call.body, refusedFor: causes) }
            }
        }
    }

    // MARK: - Looking

    /// Everything that was acknowledged is there and works, and nothing else is.
    func isWhole() async throws {
        for name in held {
            // A hold that was let go of while the storage was sick is none any more.
            await expect("VolumeDriver.Unmount", #"{"Name":"\#(name)","ID":"h"}"#)
        }
        await expectNames(free + held + others)
        for name in free + held {
            let mounted = await expect("VolumeDriver.Mount", #"{"Name":"\#(name)","ID":"w"}"#)
            // None: the Mount has said why.
            let text = try? mounted?["Mountpoint"]?.string.map { try FilePath($0).appending("file").text }
            if text != name { findings.append((.lost, "the data of \(name): \(text, default: "none")")) }
            await expect("VolumeDriver.Unmount", #"{"Name":"\#(name)","ID":"w"}"#)
        }
        for name in free {
            let list = await expect("Control.ListSnapshots", #"{"Name":"\#(name)"}"#)
            let found = (list?["Snapshots"]?.array ?? []).compactMap { $0["Name"]?.string }
            if found != ["s"] { findings.append((.lost, "snapshots of \(name): \(found)")) }
            await expect("Control.RestoreSnapshot", #"{"Name":"\#(name)","Snapshot":"s"}"#)
            await expect("Control.SetVolume", #"{"Name":"\#(name)","Options":{"mode":"0750"}}"#)
        }
        await expect("VolumeDriver.Create", #"{"Name":"after"}"#)
        await expect("Control.RenameVolume", #"{"Name":"after","NewName":"last"}"#)
        await expect("VolumeDriver.Remove", #"{"Name":"last"}"#)
        try await leavesNothing(but: free + held + others)
    }

    /// The pool has a folder for each volume, and nothing half-made.
    private func leavesNothing(but names: [String]) async throws {
        let volumes = daemon.data.appending("volumes")
        do {
            try await eventually("nothing is left half-made") {
                try Directories.entries(of: volumes).sorted() == names.sorted()
            }
        } catch is NotInTime {
            findings.append((.leaked, "\(try Directories.entries(of: volumes))"))
        }
    }

    /// Removes all volumes: that frees room.
    func removesAll() async throws {
        for name in free + held { await expect("VolumeDriver.Remove", #"{"Name":"\#(name)"}"#) }
        await expectNames([])
        try await leavesNothing(but: [])
    }
}
