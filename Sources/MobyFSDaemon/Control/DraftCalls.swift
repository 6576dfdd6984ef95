// SPDX-License-Identifier: Apache-2.0

import MobyFSVolumes

/// Mounts a volume for the calling process, which holds it until it gives it back or ends.
package struct HoldVolume: ControlCall {
    package struct Answer: Codable, Hashable, Sendable {
        /// By which it is given back.
        package let id: String
        /// Where its data is.
        package let path: String
    }

    package let name: String
    /// Whether others may be using it too.
    package let shared: Bool

    package init(name: String, shared: Bool) {
        self.name = name
        self.shared = shared
    }
}

/// Gives a volume back that was held.
package struct ReleaseVolume: ControlCall {
    package typealias Answer = Done

    package let name: String
    package let id: String

    package init(name: String, id: String) {
        self.name = name
        self.id = id
    }
}

/// Makes a volume that nobody sees yet, mounted, for the calling process; it is gone with that.
package struct BeginDraft: ControlCall {
    package struct Answer: Codable, Hashable, Sendable {
        /// By which it is committed or discarded.
        package let id: String
        /// Where its data is.
        package let path: String
    }

    /// What it will be called; nil for one that is only to be read.
    package let name: String?
    package let options: [String: String]

    package init(name: String?, options: [String: String]) {
        self.name = name
        self.options = options
    }
}

/// Makes a draft a volume.
package struct CommitDraft: ControlCall {
    package typealias Answer = Done

    package let id: String

    package init(id: String) { self.id = id }
}

/// Takes a draft back.
package struct DiscardDraft: ControlCall {
    package typealias Answer = Done

    package let id: String

    package init(id: String) { self.id = id }
}
