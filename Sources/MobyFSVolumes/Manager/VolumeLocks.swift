// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What is done with a volume while nobody else works on it.
enum VolumeWork: String, Sendable {
    case creating = "created"
    case removing = "removed"
    case mounting = "mounted"
    case unmounting = "unmounted"
    case renaming = "renamed"
    case resizing = "resized"
    case changing = "changed"
    case copying = "copied"
    case importing = "imported"
    case checking = "checked"

    /// What whoever waits for it can do.
    fileprivate var advice: String {
        switch self {
        case .copying, .importing: "try again when that is done"
        default: "if its server or disk is there, try again; see 'journalctl -u mobyfs'"
        }
    }
}

/// A lock for each volume, whose holder says what it is about: who waits in vain is told.
final class VolumeLocks: Sendable {
    private let locks = KeyedLocks<VolumeName>()
    private let underWay = Mutex<[VolumeName: (work: VolumeWork, begin: ContinuousClock.Instant)]>([:])

    /// Takes a lock that nobody has, for what is over at once; to be given back with ``unlock(_:)``.
    ///
    /// - Parameter name: The volume.
    /// - Returns: Whether it was had.
    func tryLock(_ name: VolumeName) -> Bool { locks.tryLock(name) }

    /// Waits for a lock, to be given back with ``unlock(_:)``.
    ///
    /// - Parameters:
    ///   - name: The volume.
    ///   - work: What is to be done.
    ///   - deadline: How long to wait.
    /// - Throws: ``VolumeError`` with code `unavailable` that says what was in the way.
    func lock(
        _ name: VolumeName, for work: VolumeWork, until deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        guard await locks.lock(name, until: deadline) else { throw busy(name) }
        underWay.withLock { $0[name] = (work, .now) }
    }

    func unlock(_ name: VolumeName) {
        underWay.withLock { $0[name] = nil }
        locks.unlock(name)
    }

    private func busy(_ name: VolumeName) -> VolumeError {
        guard let (work, begin) = underWay.withLock({ $0[name] }) else {
            return VolumeError(.unavailable, "volume '\(name)' is busy: try again")
        }
        let seconds = (ContinuousClock.now - begin).components.seconds
        return VolumeError(
            .unavailable,
            "volume '\(name)' is busy: it is being \(work.rawValue), for \(seconds) s so far; \(work.advice)")
    }
}
