// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSHost
import MobyFSTesting
import SystemPackage
import TortureSupport

/// Works on volumes of its own, one call after the other, and remembers what it was told.
///
/// Where a call was cut off, what it asks for may have been done or not: ``verify(_:)`` takes either for right, and goes
/// on with what it found.
actor TortureClient {
    /// Something that is not as it was acknowledged.
    struct Finding: Hashable, Sendable, CustomStringConvertible {
        let kind: Torture.Loss
        let description: String

        init(kind: Torture.Loss, description: String) {
            self.kind = kind
            self.description = "\(kind): \(description)"
        }
    }

    let names: [String]
    let drivers: [String]
    var generator: SeededGenerator
    var model = VolumeModel()
    /// What else may be so.
    var alternative: VolumeModel? {
        didSet { if let alternative { trail?.append(alternative) } }
    }
    /// What was so, or may have been, at any time of a cut: see ``beginCut()``.
    var trail: [VolumeModel]?
    var counter = 0
    private(set) var acknowledged = 0
    /// Whether files that are written are to be on the disk.
    var isDurable = false
    var findings: [Finding] = []

    init(number: Int, seed: UInt64, drivers: [String]) {
        names = (0..<3).map { "c\(number)-\($0)" }
        self.drivers = drivers
        generator = SeededGenerator(seed: seed &+ UInt64(number))
    }

    /// Makes one call after the other until the daemon is gone.
    ///
    /// - Parameters:
    ///   - daemon: The daemon.
    ///   - calls: How many calls to make at most.
    func work(with daemon: RunningDaemon, calls: Int) async {
        do {
            let plugin = try daemon.connect()
            let control = try Wire(daemon.runtime.appending("control.sock"))
            for _ in 0..<calls {
                let call = nextCall()
                alternative = call.after
                let wire = call.socket == .plugin ? plugin : control
                let reply = try await wire.exchange(
                    Wire.post("/\(call.method)", String(decoding: call.body.encoded, as: UTF8.self)))
                guard let split = reply.firstRange(of: "\r\n\r\n"),
                    let value = try? JSONValue(parsing: Array(reply[split.upperBound...].utf8))
                else { return }
                alternative = nil
                if let error = value["Err"]?.string, !error.isEmpty {
                    guard !call.refusals.contains(where: error.contains) else { continue }
                    findings.append(Finding(kind: .wrong, description: "\(call.method) \(call.body): \(error)"))
                    continue
                }
                acknowledged += 1
                model = call.after
                if call.method == "VolumeDriver.Mount", let path = value["Mountpoint"]?.string {
                    try await write(in: FilePath(path), name: call.body["Name"]?.string ?? "")
                }
            }
        } catch let error as SystemCallError where error.errno == .resourceTemporarilyUnavailable {
            findings.append(Finding(kind: .hung, description: "no answer within 20 s: \(alternative?.volumes ?? [:])"))
        } catch {
            // It is gone; that is what this is about.
        }
    }

    private func write(in folder: FilePath, name: String) async throws {
        counter += 1
        let text = "\(name) \(counter)"
        var after = model
        after.volumes[name]?.content = text
        alternative = after
        try await BlockingWork.run { [isDurable] in
            try DurableFile.write(text.utf8, to: folder.appending("file"), isDurable: isDurable)
        }
        model = after
        alternative = nil
    }
}
