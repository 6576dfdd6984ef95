// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MobyFSVolumes

/// What is remembered of names does not grow with them, and errs on the side of having been touched.
@Suite struct PoolViewTests {
    @Test func knowsWhatWasTouchedSinceALookBegan() throws {
        let view = PoolView()
        let (mine, other) = (try VolumeName("mine"), try VolumeName("other"))
        view.touch(mine)
        let generation = view.generation
        #expect(view.isUntouched(mine, since: generation) && view.isUntouched(other, since: generation))
        view.touch(mine)
        #expect(!view.isUntouched(mine, since: generation) && view.isUntouched(other, since: generation))
    }

    @Test func takesNoNameForUntouchedThatItHasForgotten() throws {
        let view = PoolView()
        let mine = try VolumeName("mine")
        let before = view.generation
        view.touch(mine)
        for number in 0..<40_000 { view.touch(try VolumeName("v\(number)")) }
        #expect(!view.isUntouched(mine, since: before))
        #expect(view.rememberedNames < 20_000)
        let now = view.generation
        #expect(view.isUntouched(mine, since: now))
    }
}
