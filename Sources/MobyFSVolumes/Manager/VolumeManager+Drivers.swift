// SPDX-License-Identifier: Apache-2.0

import MobyFSHost

/// A driver, and what it can do on this host.
package struct DriverFacts: Sendable {
    package let info: DriverInfo
    /// What is missing for it, each with what to do.
    package let lacks: [String]
    /// Whether `size=` is hard here.
    package let size: SizeSupport
    /// Whether volumes get it that ask for nothing special.
    package let isDefault: Bool
}

extension VolumeManager {
    /// Says of each driver what it can do on this host.
    package func driverFacts() async throws -> [DriverFacts] {
        try await BlockingWork.run(until: .now + limits.short, "look at '\(store.volumes)'") { [drivers, store] in
            let suiting = drivers.first { $0.suits(pool: store.volumes) } ?? drivers[0]
            return drivers.map { driver in
                DriverFacts(
                    info: driver.info, lacks: driver.lacks(pool: store.volumes),
                    size: driver.sizeSupport(VolumeOptions(checked: [:]), pool: store.volumes),
                    isDefault: driver.info.name == suiting.info.name)
            }
        }
    }
}
