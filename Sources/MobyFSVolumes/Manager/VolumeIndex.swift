// SPDX-License-Identifier: Apache-2.0

/// What is known of each volume, and how many there are.
struct VolumeIndex {
    typealias Entry = VolumeManager.Entry

    private(set) var entries: [VolumeName: Entry]
    /// Kept as entries change: counting a hundred thousand takes longer than a Mount.
    private(set) var counts = VolumeCounts()

    init(_ entries: [VolumeName: Entry] = [:]) {
        self.entries = entries
        for entry in entries.values { counts.add(entry, 1) }
    }

    /// Changes what is known of a volume; before, nothing may have been.
    mutating func change(_ name: VolumeName, _ body: (inout Entry) -> Void) {
        guard let index = entries.index(forKey: name) else {
            var entry = Entry()
            body(&entry)
            counts.add(entry, 1)
            return entries[name] = entry
        }
        counts.add(entries.values[index], -1)
        body(&entries.values[index])
        counts.add(entries.values[index], 1)
    }

    mutating func forget(_ name: VolumeName) {
        if let entry = entries.removeValue(forKey: name) { counts.add(entry, -1) }
    }
}

/// How many volumes there are.
package struct VolumeCounts: Hashable, Sendable {
    package private(set) var volumes = 0
    /// How many of them are held.
    package private(set) var inUse = 0

    fileprivate mutating func add(_ entry: VolumeIndex.Entry, _ sign: Int) {
        guard entry.isListed else { return }
        volumes += sign
        if !entry.holders.isEmpty { inUse += sign }
    }
}
