// SPDX-License-Identifier: Apache-2.0

package import MobyFSHost

/// One mount ID that holds a volume.
package struct Holder: Hashable, Sendable {
    /// How many Mounts with the ID were not taken back.
    ///
    /// `docker cp` on a running container repeats its ID.
    package var count: Int
    /// The engine that asked; nil where the connection does not tell (TCP).
    package var engine: ProcessIdentity?
    /// False once it is in doubt whether the mount is still there; only of use where ``engine`` is nil.
    package var isConfirmed = true
    /// Whether an earlier engine, which is gone, held the volume with the same ID.
    ///
    /// Its mount may be over, or live on in a container under live-restore.
    package var isInherited = false
    /// Whether nobody else may have the volume mounted meanwhile, as while it is copied.
    package var isAlone = false

    /// What the IDs of mounts by mobyfs' own commands begin with.
    package static let ownPrefix = "mobyfs-"

    /// Whether the engine that asked still runs, as far as can be known.
    package func isConfirmed(given living: Set<ProcessIdentity>) -> Bool {
        engine.map(living.contains) ?? isConfirmed
    }
}

/// Who holds a volume.
package struct VolumeHolders: Hashable, Sendable {
    package private(set) var byID: [String: Holder] = [:]

    package init() {}

    init(byID: [String: Holder]) {
        self.byID = byID
    }

    package var isEmpty: Bool { byID.isEmpty }

    /// How many Mounts were not taken back.
    package var count: Int { byID.values.reduce(0) { $0 + $1.count } }

    /// Adds a Mount.
    ///
    /// An ID of an engine that is gone comes again when the engine starts a container it knows from before its
    /// crash: that is the same mount, not one more.
    ///
    /// - Parameters:
    ///   - id: The mount ID.
    ///   - engine: The engine that asks, if known.
    ///   - isAlone: Whether nobody else may hold the volume meanwhile.
    ///   - living: Engines that are known to run.
    package mutating func add(
        _ id: String, for engine: ProcessIdentity?, alone isAlone: Bool = false, living: Set<ProcessIdentity> = []
    ) {
        if let holder = byID[id], holder.engine == engine ? holder.isConfirmed : holder.isConfirmed(given: living) {
            byID[id]?.count += 1
        } else {
            byID[id] = Holder(count: 1, engine: engine, isInherited: byID[id] != nil, isAlone: isAlone)
        }
    }

    /// Whether the next ``remove(_:)`` of this ID may take away more than was added.
    ///
    /// Under live-restore, `docker cp` mounts and unmounts with the ID of a container that lives on.
    package func isLastOfInherited(_ id: String) -> Bool {
        byID[id].map { $0.isInherited && $0.count == 1 } ?? false
    }

    /// Leaves it to the mount tables when an ID is dropped.
    package mutating func doubt(_ id: String) {
        byID[id]?.engine = nil
        byID[id]?.isConfirmed = false
    }

    /// Takes a Mount back.
    ///
    /// - Returns: Whether there was one.
    package mutating func remove(_ id: String) -> Bool {
        guard let holder = byID[id] else { return false }
        if holder.count > 1 { byID[id]?.count -= 1 } else { byID[id] = nil }
        return true
    }

    /// An engine of unknown identity was started: the mounts of the one before may be gone.
    package mutating func doubtUnidentified() {
        for (id, holder) in byID where holder.engine == nil { byID[id]?.isConfirmed = false }
    }

    /// The process that nobody may hold the volume beside.
    package var alone: ProcessIdentity? { byID.values.first(where: \.isAlone)?.engine }

    /// The engines that asked.
    package var engines: Set<ProcessIdentity> { Set(byID.values.compactMap(\.engine)) }

    /// The IDs whose engine is not among the living.
    package func unconfirmed(given living: Set<ProcessIdentity>) -> [String] {
        byID.filter { !$0.value.isConfirmed(given: living) }.map(\.key)
    }

    /// Drops mount IDs altogether.
    package mutating func drop(_ ids: some Sequence<String>) {
        for id in ids { byID[id] = nil }
    }
}

extension VolumeHolders: CustomStringConvertible {
    /// For people: `2 mounts (0123456789ab by the engine with process ID 4711, …)`.
    package var description: String {
        let ids = byID.sorted { $0.key < $1.key }.prefix(3).map { id, holder in
            id.hasPrefix(Holder.ownPrefix)
                ? "'mobyfs volume export', process \(holder.engine?.processID ?? 0)"
                : "\(id.prefix(12)) by "
                    + (holder.engine.map { "the engine with process ID \($0.processID)" } ?? "an engine")
        }
        let more = byID.count > 3 ? ", …" : ""
        return "\(count) mount\(count == 1 ? "" : "s") (\(ids.joined(separator: ", "))\(more))"
    }
}
