// SPDX-License-Identifier: Apache-2.0

import Synchronization

extension MountTable {
    private static let latest = Mutex<(generation: UInt64, table: MountTable)?>(nil)

    /// Where this process sees something mounted; it is read anew only after something was mounted or unmounted.
    ///
    /// What a file system says of itself may have changed without that: that it takes no changes any more, for example.
    ///
    /// - Returns: The table.
    /// - Throws: ``SystemCallError``.
    package static func places() throws -> MountTable {
        // Asked before it is read: what is mounted meanwhile counts for the next one.
        guard let generation = MountTableWatch.shared.generation else { return try MountTable() }
        if let known = latest.withLock({ $0?.generation == generation ? $0?.table : nil }) { return known }
        let table = try MountTable()
        latest.withLock { $0 = (generation, table) }
        return table
    }
}
