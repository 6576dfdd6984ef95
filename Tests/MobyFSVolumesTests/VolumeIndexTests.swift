// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Testing

@testable import MobyFSVolumes

@Suite struct VolumeIndexTests {
    /// Whatever happens to volumes, what is counted by the way is what there is.
    @Test func countsWhatThereIs() throws {
        let names = try (0..<8).map { try VolumeName("v\($0)") }
        let holders = [VolumeHolders(), VolumeHolders(byID: ["4fe1": Holder(count: 1)])]
        var index = VolumeIndex()
        for _ in 0..<1000 {
            let name = try #require(names.randomElement())
            switch Int.random(in: 0..<4) {
            case 0: index.forget(name)
            case 1: index.change(name) { $0.holders = holders.randomElement() ?? VolumeHolders() }
            default:
                var volume = Volume(name: name, driver: "directory", options: VolumeOptions(checked: [:]))
                volume.removedAt = Bool.random() ? .now : nil
                index.change(name) { $0.volume = volume }
            }
            let listed = index.entries.values.filter { $0.volume?.removedAt == nil }
            #expect(index.counts.volumes == listed.count)
            #expect(index.counts.inUse == listed.count { !$0.holders.isEmpty })
            #expect(VolumeIndex(index.entries).counts == index.counts)
            var added = VolumeIndex(minimumCapacity: 0)
            for (name, entry) in index.entries { added.add(entry, as: name) }
            #expect(added.counts == index.counts && added.entries.keys == index.entries.keys)
        }
    }
}
