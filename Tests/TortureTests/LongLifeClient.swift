// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSHost
import MobyFSTesting
import SystemPackage
import TortureSupport

/// An engine that never rests: calls of all kinds on volumes of its own, and how long each has taken.
struct LongLifeClient: Sendable {
    /// Calls over one connection before there is a new one.
    private static let connectionLife = 1000
    /// So many volumes are held at most.
    private static let limit = 100
    /// As much as there is to be said of a volume later on.
    private static let options = #","Opts":{"mode":"0755"}"#

    private let names: [String]
    private var generator: SeededGenerator
    private var held: [(name: String, id: String)] = []
    private var counter = 0
    private var wire: Wire?
    private var control: Wire?
    /// How long calls took, by their method.
    var latencies: [String: [Duration]] = [:]
    /// Answers that were wrong.
    private(set) var surprises: [String] = []

    init(number: Int, volumes: Int, seed: UInt64) {
        names = (0..<volumes).map { "v\(number)-\($0)" }
        generator = SeededGenerator(seed: seed &+ UInt64(number))
    }

    mutating func createAll(with daemon: RunningDaemon) async throws {
        for name in names { try await call(daemon, "VolumeDriver.Create", name, Self.options) }
    }

    /// Makes calls, at the end of which nothing is held.
    mutating func work(_ calls: Int, with daemon: RunningDaemon, images: Bool) async throws {
        let end = counter + calls
        while counter < end - held.count - 10 { try await step(daemon) }
        while let (name, id) = held.popLast() {
            try await call(daemon, "VolumeDriver.Unmount", name, #","ID":"\#(id)""#)
        }
        if images {
            let name = names[0] + "-image"
            try await call(daemon, "VolumeDriver.Create", name, #","Opts":{"driver":"image","size":"16MiB"}"#)
            try await call(daemon, "VolumeDriver.Mount", name, #","ID":"i""#)
            try await call(daemon, "VolumeDriver.Unmount", name, #","ID":"i""#)
            try await call(daemon, "VolumeDriver.Remove", name)
        }
        for _ in 0..<2 { try await call(daemon, "VolumeDriver.List", nil) }
        while counter < end { try await call(daemon, "VolumeDriver.Capabilities", nil) }
    }

    private mutating func step(_ daemon: RunningDaemon) async throws {
        let name = names.randomElement(using: &generator) ?? names[0]
        switch Int.random(in: 0..<100, using: &generator) {
        case ..<40: try await call(daemon, "VolumeDriver.Get", name)
        case ..<50: try await call(daemon, "VolumeDriver.Path", name)
        case ..<55: try await call(daemon, "VolumeDriver.Get", "none-\(counter)", expecting: "no such volume")
        case ..<57: try await call(daemon, "Plugin.Activate", nil)
        case ..<75 where held.count < Self.limit:
            let id = "m\(counter)"
            try await call(daemon, "VolumeDriver.Mount", name, #","ID":"\#(id)""#)
            held.append((name, id))
        case ..<94:
            guard !held.isEmpty else { return try await call(daemon, "VolumeDriver.Get", name) }
            let (name, id) = held.remove(at: .random(in: held.indices, using: &generator))
            try await call(daemon, "VolumeDriver.Unmount", name, #","ID":"\#(id)""#)
        case ..<96 where !held.contains { $0.name == name }:
            try await call(daemon, "VolumeDriver.Remove", name)
            try await call(daemon, "VolumeDriver.Create", name, Self.options)
        case ..<98: try await call(daemon, "Control.InspectVolume", name)
        default:
            let mode = ["0700", "0755"].randomElement(using: &generator) ?? "0700"
            try await call(daemon, "Control.SetVolume", name, #","Options":{"mode":"\#(mode)"}"#)
        }
    }

    private mutating func call(
        _ daemon: RunningDaemon, _ method: String, _ name: String?, _ more: String = "", expecting error: String? = nil
    ) async throws {
        counter += 1
        if counter.isMultiple(of: Self.connectionLife) { (wire, control) = (nil, nil) }
        let wire = try connection(daemon, isControl: method.hasPrefix("Control."))
        let request = Wire.post("/\(method)", name.map { #"{"Name":"\#($0)"\#(more)}"# } ?? "{}")
        let start = ContinuousClock.now
        let reply = try await wire.exchange(request)
        latencies[method, default: []].append(ContinuousClock.now - start)
        // A long list is not looked through.
        let head = reply.utf8.count < 4096 ? reply : String(reply.prefix(256))
        let isRight =
            if let error { head.contains(error) } else { head.contains(" 200 ") && !head.contains(#""Err":"v"#) }
        guard isRight, error != nil || !head.contains("cannot"), surprises.count < 10 else {
            return surprises.append("\(request.suffix(200)) was answered with \(head)")
        }
    }

    private mutating func connection(_ daemon: RunningDaemon, isControl: Bool) throws -> Wire {
        if let open = isControl ? control : wire { return open }
        let new = try isControl ? Wire(daemon.runtime.appending("control.sock")) : daemon.connect()
        if isControl { control = new } else { wire = new }
        return new
    }
}
