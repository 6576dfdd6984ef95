// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The memory that bodies of requests may take up while they come in, all of a server's connections together.
///
/// A small body is always taken, so that whoever sends large ones, slowly, keeps nobody else from calling.
final class BodyBudget: Sendable {
    /// Bodies of up to so many bytes do not count.
    static let small = 16 << 10

    private let limit: Int
    private let taken = Atomic(0)

    init(limit: Int) {
        self.limit = limit
    }

    /// Counts a body that grows.
    ///
    /// - Parameters:
    ///   - reserved: What is counted of it already.
    ///   - size: What it has come to.
    /// - Returns: What is counted of it now; nil if that would be too much, and nothing has changed.
    func grow(from reserved: Int, to size: Int) -> Int? {
        guard size > max(reserved, Self.small) else { return reserved }
        guard taken.add(size - reserved, ordering: .relaxed).newValue > limit else { return size }
        taken.subtract(size - reserved, ordering: .relaxed)
        return nil
    }

    func release(_ reserved: Int) {
        taken.subtract(reserved, ordering: .relaxed)
    }
}
