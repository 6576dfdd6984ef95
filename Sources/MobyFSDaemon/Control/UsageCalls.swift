// SPDX-License-Identifier: Apache-2.0

import MobyFSVolumes

/// Asks how full volumes are.
package struct ListUsage: ControlCall {
    package struct Answer: Codable, Sendable {
        package let volumes: [UsageDetails]
    }

    /// Which; none for all.
    package let names: [String]

    package init(names: [String]) { self.names = names }
}

/// Asks how far the copy has come that a volume's creation, snapshot or restore waits for.
package struct GetCopyProgress: ControlCall {
    package struct Answer: Codable, Hashable, Sendable {
        /// In bytes on the disk; nil if nothing is being copied.
        package let copied: UInt64?
        package let total: UInt64?
    }

    package let name: String

    package init(name: String) { self.name = name }
}

/// How full a volume is; sizes are in bytes.
package struct UsageDetails: Codable, Hashable, Sendable {
    package let name: String
    package let driver: String?
    /// How much it may hold; nil if nobody has said.
    package let size: UInt64?
    package let used: UInt64?
    package let free: UInt64?
    /// How many files and folders there are.
    package let inodes: UInt64?
    /// Where the figures are from, such as `quota`.
    package let source: String?
    /// Why there are none.
    package let trouble: String?

    init(_ report: VolumeUsageReport) {
        name = report.name.description
        driver = report.driver
        size = report.size?.bytes
        let usage = try? report.usage.get()
        used = usage?.usedBytes
        free = usage?.freeBytes
        inodes = usage?.usedInodes
        source = usage?.source.rawValue
        trouble = if case .failure(let error) = report.usage { "\(error)" } else { nil }
    }
}
