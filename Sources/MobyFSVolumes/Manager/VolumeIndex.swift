// SPDX-License-Identifier: Apache-2.0

/// What is known of each volume, and how many there are.
struct VolumeIndex {
    typealias Entry = VolumeManager.Entry

    private(set) var entries: [VolumeName: Entry]
    /// When each volume that is listed has changed.
    ///
    /// An entry is large, and takes longer to copy out than to find.
    private(set) var versions: [VolumeName: UInt64]
    /// Kept as entries change: counting a hundred thousand takes longer than a Mount.
    private(set) var counts = VolumeCounts()

    init(_ entries: [VolumeName: Entry] = [:]) {
        self.entries = entries
        versions = entries.compactMapValues(\.listedVersion)
        for entry in entries.values { counts.add(entry, 1) }
    }

    /// Changes what is known of a volume; before, nothing may have been.
    mutating func change(_ name: VolumeName, _ body: (inout Entry) -> Void) {
        if let index = entries.index(forKey: name) {
            versions[name] = counts.follow(&entries.values[index], body)
        } else {
            var entry = Entry()
            body(&entry)
            counts.add(entry, 1)
            versions[name] = entry.listedVersion
            entries[name] = entry
        }
    }

    mutating func forget(_ name: VolumeName) {
        if let entry = entries.removeValue(forKey: name) { counts.add(entry, -1) }
        versions[name] = nil
    }
}

/// How many volumes there are.
package struct VolumeCounts: Hashable, Sendable {
    package private(set) var volumes = 0
    /// How many of them are held.
    package private(set) var inUse = 0

    /// Counts a volume anew as it changes, in place.
    ///
    /// - Returns: Its version then; nil if it is not listed.
    fileprivate mutating func follow(
        _ entry: inout VolumeIndex.Entry, _ body: (inout VolumeIndex.Entry) -> Void
    ) -> UInt64? {
        add(entry, -1)
        body(&entry)
        add(entry, 1)
        return entry.listedVersion
    }

    fileprivate mutating func add(_ entry: VolumeIndex.Entry, _ sign: Int) {
        guard entry.isListed else { return }
        volumes += sign
        if !entry.holders.isEmpty { inUse += sign }
    }
}

extension VolumeIndex.Entry {
    fileprivate var listedVersion: UInt64? { isListed ? version : nil }
}
