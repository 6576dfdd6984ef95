// SPDX-License-Identifier: Apache-2.0

import Testing

/// Tests with a real Docker Engine under a real systemd, and mobyfs installed from its .deb.
///
/// All share one booted host, so they run one after the other; each finds the host clean and leaves it so. A test
/// is written as an extension: a suite of its own for each topic, with `let host = EngineHost.shared`.
@Suite(
    .serialized,
    .enabled(if: EngineRequirements.missing == nil, Comment(rawValue: EngineRequirements.missing ?? "")),
    .enabled("no base image of \(EngineRequirements.suite), and it cannot be made (is there a network?)") {
        // Nothing is built on a machine that will not run the tests anyway.
        if EngineRequirements.missing != nil { return true }
        return await BaseImage.isReady()
    },
    .bootedHost, .leavesNothingBehind
)
enum EngineTests {}
