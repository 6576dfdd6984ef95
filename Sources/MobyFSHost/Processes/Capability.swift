// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// What root may do and a container's or a service's root may not.
///
/// Source: capabilities(7).
package enum Capability: UInt64, Sendable {
    /// CAP_SYS_RESOURCE: growing a mounted ext4, among much else.
    case systemResource = 24

    /// Whether this process has it.
    ///
    /// Blocks.
    package var isEffective: Bool {
        // Without /proc nothing works anyway, and whoever has the capability is told so by what fails.
        guard let bytes = try? DurableFile.read("/proc/self/status") else { return true }
        let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        guard let digits = line?.split(separator: "\t").last, let mask = UInt64(digits, radix: 16) else { return true }
        return mask & (1 << rawValue) != 0
    }
}
