// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
import SystemPackage

/// The numbers of btrfs's trees and items: linux/btrfs_tree.h.
enum BtrfsTree {
    /// The tree of all trees.
    static let roots: UInt64 = 1
    static let quotas: UInt64 = 8
    /// Which subvolume has which UUID.
    static let uuids: UInt64 = 9
    /// The inode of each subvolume's root directory.
    static let rootInode: UInt64 = 256

    enum Item: UInt32 {
        case inodeReference = 12
        case root = 132
        case rootReference = 156
        case quotaStatus = 240
        case quotaUsage = 242
        case quotaLimit = 244
        case quotaRelation = 246
        case uuid = 251
    }
}

/// An item of one of btrfs's trees.
struct BtrfsItem {
    let offset: UInt64
    let content: [UInt8]

    /// The number of 8 bytes at a place of the content; 0 where the content is too short.
    func number(at place: Int) -> UInt64 {
        bytes(at: place, count: 8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The name whose length, of 2 bytes, is at a place of the content; any bytes but `/` and 0.
    func name(at place: Int) -> [UInt8] {
        let length = bytes(at: place, count: 2)
        return Array(bytes(at: place + 2, count: length.count == 2 ? Int(length[0]) | Int(length[1]) << 8 : 0))
    }

    func bytes(at place: Int, count: Int) -> [UInt8] {
        place + count <= content.count ? Array(content[place..<(place + count)]) : []
    }
}

extension BtrfsDirectory {
    /// The items of one object and type, by their offsets.
    ///
    /// What the current transaction has changed is seen, but for what quotas have counted since the last commit.
    ///
    /// - Returns: The items; nil if there is no such tree.
    func items(
        of object: UInt64, _ type: BtrfsTree.Item, in tree: UInt64, offsets: ClosedRange<UInt64> = 0...UInt64.max
    ) throws -> [BtrfsItem]? {
        let size = 1 << 16
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
        defer { buffer.deallocate() }
        var range = mobyfs_btrfs_range(
            tree: tree, object_id: object, type: type.rawValue, first_offset: offsets.lowerBound,
            last_offset: offsets.upperBound)
        var found: [BtrfsItem] = []
        while true {
            var count: UInt32 = 0
            let failure = mobyfs_btrfs_search(descriptor, &range, buffer.baseAddress, size, &count)
            if failure == ENOENT { return nil }
            try call("search the metadata of '\(path)'", failure)
            if count == 0 { return found }
            var place = 0
            for _ in 0..<count {
                let head = buffer.loadUnaligned(fromByteOffset: place, as: mobyfs_btrfs_item.self)
                place += MemoryLayout<mobyfs_btrfs_item>.size
                found.append(
                    BtrfsItem(offset: head.offset, content: Array(buffer[place..<(place + Int(head.length))])))
                place += Int(head.length)
            }
            guard let last = found.last?.offset, last < offsets.upperBound else { return found }
            range.first_offset = last + 1
        }
    }
}
