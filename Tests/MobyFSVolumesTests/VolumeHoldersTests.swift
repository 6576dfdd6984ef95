// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSVolumes
import Testing

@Suite struct VolumeHoldersTests {
    private let engine = ProcessIdentity(processID: 1, startTime: 1, bootID: "now")
    private let nextEngine = ProcessIdentity(processID: 2, startTime: 2, bootID: "now")

    /// `docker cp` on a running container mounts again with the container's ID, and unmounts with it.
    @Test func countsAnIDThatComesTwice() {
        var holders = VolumeHolders()
        holders.add("id", for: engine)
        holders.add("id", for: engine)
        #expect(holders.count == 2)
        let first = holders.remove("id")
        #expect(first)
        #expect(!holders.isEmpty)
        let second = holders.remove("id")
        #expect(second)
        #expect(holders.isEmpty)
    }

    /// After a crash the engine starts a container with the ID of before, and unmounts it once.
    @Test func takesAnIDOfAnEngineThatIsGoneForTheSameMount() {
        var holders = VolumeHolders()
        holders.add("id", for: engine)
        holders.add("id", for: nextEngine)
        #expect(holders.count == 1)
        let removed = holders.remove("id")
        #expect(removed)
        #expect(holders.isEmpty)
    }

    /// Two engines on one host may not share an ID by chance; if they do, neither loses its mounts.
    @Test func countsTheIDOfAnotherEngineThatRuns() {
        var holders = VolumeHolders()
        holders.add("id", for: engine)
        holders.add("id", for: nextEngine, living: [engine, nextEngine])
        #expect(holders.count == 2)
    }

    @Test func knowsNothingOfIDsThatNeverCame() {
        var holders = VolumeHolders()
        let removed = holders.remove("id")
        #expect(!removed)
    }

    @Test func doubtsMountsOfUnknownEnginesOnceOneStarts() {
        var holders = VolumeHolders()
        holders.add("tcp", for: nil)
        #expect(holders.unconfirmed(given: []).isEmpty)
        holders.doubtUnidentified()
        #expect(holders.unconfirmed(given: []) == ["tcp"])
        holders.add("tcp", for: nil)
        #expect(holders.count == 1)
        #expect(holders.unconfirmed(given: []).isEmpty)
    }
}
