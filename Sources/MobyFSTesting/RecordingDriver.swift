// SPDX-License-Identifier: Apache-2.0

package import MobyFSVolumes
import Synchronization
package import SystemPackage

/// A driver that does nothing but remember what it was asked for.
package final class RecordingDriver: ResizableDriver {
    /// A call, with the volume's name.
    package enum Call: Hashable, Sendable {
        case create(String), remove(String), mount(String), unmount(String), resize(String)
    }

    package static let defaultInfo = DriverInfo(
        name: "recording", summary: "for tests", options: [OptionInfo("colour", .text, "any")])

    private let recorded = Mutex<[Call]>([])
    private let failing: Mutex<Set<Call>>
    private let gates = Mutex<[Call: AsyncStream<Void>]>([:])

    package let info: DriverInfo
    private let support: SizeSupport
    private let lacking: [String]

    /// - Parameters:
    ///   - info: What it says of itself.
    ///   - sizeSupport: What it says of sizes.
    ///   - lacking: What it misses on this host.
    ///   - failing: The calls that fail.
    package init(
        info: DriverInfo = RecordingDriver.defaultInfo, sizeSupport: SizeSupport = .enforced, lacking: [String] = [],
        failing: Set<Call> = []
    ) {
        self.info = info
        support = sizeSupport
        self.lacking = lacking
        self.failing = Mutex(failing)
    }

    /// All calls so far.
    package var calls: [Call] { recorded.withLock { $0 } }

    /// From now on nothing fails.
    package func succeed() {
        failing.withLock { $0 = [] }
    }

    /// Makes a call wait until the continuation that is returned is finished.
    package func hold(_ call: Call) -> AsyncStream<Void>.Continuation {
        let (stream, continuation) = AsyncStream<Void>.makeStream()
        gates.withLock { $0[call] = stream }
        return continuation
    }

    /// Lets a call that was held pass from now on.
    package func release(_ call: Call) {
        gates.withLock { $0[call] = nil }
    }

    private func record(_ call: Call) async throws {
        recorded.withLock { $0.append(call) }
        if let gate = gates.withLock({ $0[call] }) { for await _ in gate {} }
        if failing.withLock({ $0.contains(call) }) { throw VolumeError(.io, "\(call) fails as the test wants it") }
    }

    package func lacks(pool: FilePath) -> [String] { lacking }

    package func sizeSupport(_ options: VolumeOptions, pool: FilePath) -> SizeSupport { support }

    package func mountpoint(of volume: Volume, in context: DriverContext) -> FilePath {
        context.root.appending("data")
    }

    package func keepsDataInside(_ volume: Volume) -> Bool { true }

    package func create(_ volume: Volume, in context: DriverContext) async throws -> [String: String] {
        try await record(.create(volume.name.description))
        return ["made": "yes"]
    }

    package func remove(_ volume: Volume, in context: DriverContext) async throws {
        try await record(.remove(volume.name.description))
    }

    package func mount(_ volume: Volume, in context: DriverContext) async throws {
        try await record(.mount(volume.name.description))
    }

    package func unmount(_ volume: Volume, in context: DriverContext) async throws {
        try await record(.unmount(volume.name.description))
    }

    package func resize(
        _ volume: Volume, to size: ByteSize, in context: DriverContext
    ) async throws -> [String: String] {
        try await record(.resize(volume.name.description))
        return volume.state.merging(["resized": size.normal]) { _, new in new }
    }
}
