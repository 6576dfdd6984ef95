// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import FoundationEssentials
import Synchronization

/// What the plugin knows of itself.
final class HelloState: Sendable {
    private struct Counts {
        var activations: Int64 = 0
        var calls: Int64 = 0
    }

    private let name: String
    private let startedAt = Date.now
    private let counts = Mutex(Counts())

    init(name: String) {
        self.name = name
    }

    func countActivation() {
        counts.withLock { $0.activations += 1 }
    }

    func countCall() {
        counts.withLock { $0.calls += 1 }
    }

    var description: JSONValue {
        let counts = counts.withLock { $0 }
        return [
            "Name": .string(name), "StartedAt": .string(startedAt.formatted(.iso8601)),
            "Activations": .integer(counts.activations), "Calls": .integer(counts.calls),
        ]
    }
}
