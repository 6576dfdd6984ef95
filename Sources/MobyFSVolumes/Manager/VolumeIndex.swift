// SPDX-License-Identifier: Apache-2.0

/// What is known of each volume, and how many there are.
struct VolumeIndex {
    typealias Entry = VolumeManager.Entry

    private(set) var entries: [VolumeName: Entry]
    /// When volumes that are listed have changed, of those that were asked for.
    ///
    /// An entry is large, and takes longer to copy out than to find.
    private var versions: [VolumeName: UInt64] = [:]
    /// Kept as entries change: counting a hundred thousand takes longer than a Mount.
    private(set) var counts = VolumeCounts()

    init(_ entries: [VolumeName: Entry] = [:]) {
        self.entries = entries
        for entry in entries.values { counts.add(entry, 1) }
    }

    /// Makes one without volumes that has room for some.
    init(minimumCapacity: Int) {
        entries = Dictionary(minimumCapacity: minimumCapacity)
    }

    /// Notes what is known of a volume of which nothing was.
    mutating func add(_ entry: Entry, as name: VolumeName) {
        counts.add(entry, 1)
        let old = entries.updateValue(entry, forKey: name)
        assert(old == nil)
    }

    /// Changes what is known of a volume; before, nothing may have been.
    mutating func change(_ name: VolumeName, _ body: (inout Entry) -> Void) {
        if let index = entries.index(forKey: name) {
            counts.follow(&entries.values[index], body)
        } else {
            var entry = Entry()
            body(&entry)
            counts.add(entry, 1)
            entries[name] = entry
        }
        versions[name] = nil
    }

    /// When a volume has changed; nil if none is listed under the name.
    mutating func version(of name: VolumeName) -> UInt64? {
        if let version = versions[name] { return version }
        guard let entry = entries[name], entry.isListed else { return nil }
        versions[name] = entry.version
        return entry.version
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
    fileprivate mutating func follow(
        _ entry: inout VolumeIndex.Entry, _ body: (inout VolumeIndex.Entry) -> Void
    ) {
        add(entry, -1)
        body(&entry)
        add(entry, 1)
    }

    fileprivate mutating func add(_ entry: VolumeIndex.Entry, _ sign: Int) {
        guard entry.isListed else { return }
        volumes += sign
        if !entry.holders.isEmpty { inUse += sign }
    }
}
