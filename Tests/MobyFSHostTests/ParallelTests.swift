// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import Testing

@Suite struct ParallelTests {
    @Test(arguments: [0, 1, 63, 64, 65, 1000, 12_345])
    func worksOnEachThingOnceAndKeepsTheOrder(count: Int) {
        let items = (0..<count).map { "item \($0)" }
        let parts = Parallel.parts(of: items) { part in part.map { $0 + "!" } }
        #expect(Array(parts.joined()) == items.map { $0 + "!" })
        #expect(parts.count <= 64)
    }
}
