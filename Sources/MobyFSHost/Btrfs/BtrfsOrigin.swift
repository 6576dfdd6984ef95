// SPDX-License-Identifier: Apache-2.0

/// What a subvolume was made from.
struct BtrfsOrigin: Hashable, Sendable {
    /// The UUID of the subvolume that it is a snapshot of.
    let parent: String?
    /// Whether it was received from elsewhere.
    let isReceived: Bool

    init(parent: [UInt8], received: [UInt8]) {
        // Zero stands for none.
        self.parent = parent.contains { $0 != 0 } ? Self.text(parent) : nil
        isReceived = received.contains { $0 != 0 }
    }

    /// A UUID in hexadecimal digits.
    static func text(_ uuid: [UInt8]) -> String {
        uuid.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

extension BtrfsDirectory {
    /// Whether a subvolume is a snapshot of another, or of a snapshot of it and so on, or was received from elsewhere.
    ///
    /// - Parameters:
    ///   - subvolume: A subvolume of this file system.
    ///   - uuid: The UUID of the other, which need not be there any more.
    /// - Returns: Whether; false also where the snapshots between the two are gone.
    /// - Throws: ``SystemCallError`` if the metadata cannot be searched.
    package func descends(_ subvolume: BtrfsSubvolume, from uuid: String) throws -> Bool {
        var origin = subvolume.origin
        // Where the metadata is sound there are no circles.
        for _ in 0..<64 {
            if origin.isReceived || origin.parent == uuid { return true }
            guard let parent = origin.parent, let older = try self.origin(of: parent) else { return false }
            origin = older
        }
        return false
    }

    private func origin(of uuid: String) throws -> BtrfsOrigin? {
        // The key is the UUID as two numbers, each with its lowest byte first.
        let digits = Array(uuid)
        func number(_ range: Range<Int>) -> UInt64? {
            let bytes = stride(from: range.lowerBound, to: range.upperBound, by: 2).map {
                String(digits[$0..<($0 + 2)])
            }
            return UInt64(bytes.reversed().joined(), radix: 16)
        }
        guard digits.count == 32, let object = number(0..<16), let offset = number(16..<32),
            let id = try items(of: object, .uuid, in: BtrfsTree.uuids, offsets: offset...offset)?.first?.number(at: 0),
            let root = try items(of: id, .root, in: BtrfsTree.roots)?.last
        else { return nil }
        // struct btrfs_root_item: uuid at 247, then parent_uuid and received_uuid.
        return BtrfsOrigin(parent: root.bytes(at: 263, count: 16), received: root.bytes(at: 279, count: 16))
    }

    /// The numbers of all subvolumes inside the one that the directory is in, of those inside them and so on.
    package func nestedSubvolumes() throws -> [UInt64] {
        var found = [try containingSubvolume().id]
        var index = 0
        while index < found.count {
            found += try items(of: found[index], .rootReference, in: BtrfsTree.roots)?.map(\.offset) ?? []
            index += 1
        }
        return Array(found.dropFirst())
    }
}
