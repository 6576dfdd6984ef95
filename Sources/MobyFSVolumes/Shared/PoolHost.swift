// SPDX-License-Identifier: Apache-2.0

/// A host that works with a pool which others work with too.
package struct PoolHost: Hashable, Sendable {
    /// No other host's, nor that of the same host after a reboot.
    package let id: String
    /// What it is called, for people.
    package let name: String
}

extension PoolHost: CustomStringConvertible {
    package var description: String { "host '\(name)'" }
}
