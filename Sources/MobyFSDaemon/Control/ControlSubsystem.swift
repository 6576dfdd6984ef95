// SPDX-License-Identifier: Apache-2.0

package import DockerPlugin
package import Logging
import MobyFSHost
package import MobyFSVolumes
import SystemPackage

/// What the command line asks of the daemon, in the manner of the plugin protocol: `POST /Control.ResizeVolume`.
package struct ControlSubsystem: PluginSubsystem {
    /// Reads a request, and says what to do about it.
    private typealias Handler = @Sendable ([UInt8], Caller) throws -> (@Sendable () async throws -> [UInt8])

    private let handlers: [String: Handler]
    private let logger: Logger

    /// Answers for volumes.
    ///
    /// - Parameters:
    ///   - volumes: The volumes.
    ///   - findings: What is not in order with the daemon itself, for as long as it runs.
    ///   - logger: Told what is refused.
    package init(volumes: VolumeManager, findings: [FindingDetails] = [], logger: Logger) {
        var handlers: [String: Handler] = [:]
        func on<Call: ControlCall>(
            _ type: Call.Type, _ answer: @escaping @Sendable (Call) async throws -> Call.Answer
        ) {
            handlers[Call.method] = Self.handler(volumes) { call, _ in try await answer(call) }
        }
        func onProcess<Call: ControlCall>(
            _ type: Call.Type, _ answer: @escaping @Sendable (Call, ProcessIdentity) async throws -> Call.Answer
        ) {
            handlers[Call.method] = Self.handler(volumes) { call, caller in
                guard let process = try caller.processID.flatMap({ try ProcessIdentity(processID: $0) }) else {
                    throw VolumeError(.invalidArgument, "the calling process cannot be seen: call from the same host")
                }
                return try await answer(call, process)
            }
        }
        on(ListDrivers.self) { _ in DriverList(try await volumes.driverFacts()) }
        on(ListVolumes.self) { _ in
            await volumes.awaitDataSearch()
            return VolumeList(volumes: try volumes.describeAll().map { VolumeDetails($0) })
        }
        on(InspectVolume.self) {
            await volumes.awaitDataSearch()
            await volumes.refresh($0.name)
            let description = try volumes.describe($0.name)
            // Of a pool that does not answer, the rest is known all the same.
            let isSick = volumes.poolSickness != nil
            let hosts = isSick ? nil : try? await volumes.otherHosts(with: description.name, within: .seconds(1))
            return VolumeDetails(description, hosts: hosts)
        }
        on(CreateVolume.self) {
            try await volumes.create($0.name, options: $0.options, within: volumes.limits.copying)
            return Done()
        }
        on(RemoveVolume.self) {
            _ = try volumes.describe($0.name)
            try await volumes.remove($0.name)
            return Done()
        }
        on(SetVolume.self) {
            try await volumes.change($0.name, $0.options)
            return Done()
        }
        on(RenameVolume.self) {
            try await volumes.rename($0.name, to: $0.newName)
            return Done()
        }
        on(ResizeVolume.self) { ResizeVolume.Answer(size: try await volumes.resize($0.name, to: $0.size).normal) }
        on(ListUsage.self) { ListUsage.Answer(volumes: try await volumes.usage(of: $0.names).map(UsageDetails.init)) }
        on(GetCopyProgress.self) {
            let progress = await volumes.copyProgress(of: $0.name)
            return GetCopyProgress.Answer(copied: progress?.copied, total: progress?.total)
        }
        on(PruneVolumes.self) {
            let (pruned, left) = try await volumes.prune(isTrial: $0.dryRun)
            return PruneVolumes.Answer(
                names: pruned.map(\.description),
                left: left.sorted { $0.key < $1.key }.map { .init(name: $0.description, trouble: "\($1)") })
        }
        on(CreateSnapshot.self) {
            CreateSnapshot.Answer(snapshot: try await volumes.snapshot($0.name, as: $0.snapshot).description)
        }
        on(ListSnapshots.self) {
            ListSnapshots.Answer(snapshots: try await volumes.snapshots(of: $0.name).map(SnapshotDetails.init))
        }
        on(RemoveSnapshot.self) {
            try await volumes.removeSnapshot($0.snapshot, of: $0.name)
            return Done()
        }
        on(RestoreSnapshot.self) {
            try await volumes.restore($0.name, from: $0.snapshot)
            return Done()
        }
        on(MakeScheduledSnapshots.self) { _ in
            let outcomes = try await volumes.makeScheduledSnapshots().sorted { $0.key < $1.key }.map { name, outcome in
                var trouble: String?
                if case .failure(let error) = outcome { trouble = "\(error)" }
                return MakeScheduledSnapshots.Outcome(
                    name: name.description, snapshot: (try? outcome.get())?.description, trouble: trouble)
            }
            return MakeScheduledSnapshots.Answer(snapshots: outcomes)
        }
        onProcess(HoldVolume.self) { call, process in
            let id = "\(Holder.ownPrefix)\(process.processID)-\(UInt64.random(in: 0...UInt64.max))"
            let path = try await volumes.hold(call.name, id: id, alone: !call.shared, for: process)
            return HoldVolume.Answer(id: id, path: path.string)
        }
        on(ReleaseVolume.self) {
            try await volumes.unmount($0.name, id: $0.id)
            return Done()
        }
        onProcess(BeginDraft.self) { call, process in
            let draft = try await volumes.draft(call.name, options: call.options, for: process)
            return BeginDraft.Answer(id: draft.id, path: draft.path.string)
        }
        on(CommitDraft.self) {
            try await volumes.commitDraft($0.id)
            return Done()
        }
        on(DiscardDraft.self) {
            await volumes.discardDraft($0.id)
            return Done()
        }
        on(ListTrash.self) { _ in ListTrash.Answer(items: try await volumes.trashed().map(TrashedVolume.init)) }
        on(RestoreFromTrash.self) {
            let name = try await volumes.restoreFromTrash($0.item, as: $0.newName)
            return RestoreFromTrash.Answer(name: name.description)
        }
        on(DeleteFromTrash.self) {
            DeleteFromTrash.Answer(ids: try await volumes.deleteFromTrash($0.items, removedBefore: $0.removedBefore))
        }
        on(Diagnose.self) { _ in
            Diagnose.Answer(findings: findings + (try await volumes.findings().map(FindingDetails.init)))
        }
        on(Repair.self) {
            try await volumes.repair($0.id)
            return Done()
        }
        self.handlers = handlers
        self.logger = logger
    }

    private static func handler<Call: ControlCall>(
        _ volumes: VolumeManager, _ answer: @escaping @Sendable (Call, Caller) async throws -> Call.Answer
    ) -> Handler {
        { body, caller in
            let call = try ControlCoding.read(Call.self, from: body)
            return {
                await volumes.refresh(nil)
                return try ControlCoding.encode(try await answer(call, caller))
            }
        }
    }

    package var name: String { ControlCoding.subsystem }

    package var methods: [String: PluginMethod] {
        var methods: [String: PluginMethod] = [:]
        for (method, handler) in handlers { methods[method] = { answer(method, with: handler, $0, $1) } }
        return methods
    }

    package func activated(by caller: Caller) {}

    private func answer(
        _ method: String, with handler: Handler, _ body: [UInt8], _ caller: Caller
    ) -> PluginAnswer {
        let work: @Sendable () async throws -> [UInt8]
        do {
            work = try handler(body, caller)
        } catch {
            return .now(.failure("\(error)", status: 400))
        }
        return .later { [logger] in
            do {
                return PluginResponse(body: try await work())
            } catch {
                logger.info(
                    "call of the command line refused",
                    metadata: ["operation": "\(method)", "error": "\(error)"])
                return .failure("\(error)")
            }
        }
    }
}
