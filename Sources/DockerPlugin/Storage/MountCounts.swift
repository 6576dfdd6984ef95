// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Who holds a volume: of each mount ID, how many Mounts were not taken back.
///
/// A container has a mount ID of its own for each volume; `docker cp` repeats that of a running container. An engine
/// that was killed sends no Unmount. If it starts the container again, it repeats the ID, too, and that is the same
/// mount and not one more.
struct MountCounts: Hashable, Sendable {
    struct Holder: Hashable, Sendable {
        var count: Int
        /// The process that asked; nil where the connection does not tell.
        var engine: Int32?
        /// False once the process that asked is known to be gone, whatever else has its process ID now.
        var isConfirmed = true
    }

    var holders: [String: Holder] = [:]

    var isEmpty: Bool { holders.isEmpty }

    /// How many Mounts were not taken back.
    var count: Int { holders.values.reduce(0) { $0 + $1.count } }

    mutating func add(_ id: String, for engine: Int32?) {
        if let holder = holders[id], holder.isConfirmed, holder.engine == engine {
            holders[id]?.count += 1
        } else {
            holders[id] = Holder(count: 1, engine: engine)
        }
    }

    /// Takes a Mount back.
    ///
    /// - Returns: Whether there was one.
    mutating func remove(_ id: String) -> Bool {
        guard let holder = holders[id] else { return false }
        if holder.count > 1 { holders[id]?.count -= 1 } else { holders[id] = nil }
        return true
    }

    /// A process says that it is an engine which has just started: what one of its process ID held before was held by
    /// another, which is gone.
    ///
    /// Of engines whose process the connection does not tell, nobody knows which of them it is, or whether it is one:
    /// their Mounts count until they are taken back.
    mutating func doubtEarlier(_ engine: Int32?) {
        guard let engine else { return }
        for (id, holder) in holders where holder.engine == engine { holders[id]?.isConfirmed = false }
    }

    /// The Mounts of engines that still run, as far as can be known; the others can be taken back by nobody.
    var countOfLiving: Int {
        holders.values.filter { holder in
            holder.isConfirmed && (holder.engine.map { kill($0, 0) == 0 || errno == EPERM } ?? true)
        }.reduce(0) { $0 + $1.count }
    }
}
