// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import SystemPackage

extension ImageFileSystem {
    /// Where in an image the kernel looks for what tells a file system, and what is there.
    private var magic: (offset: Int64, bytes: [UInt8]) {
        switch self {
        case .ext4: (0x438, [0x53, 0xEF])
        case .xfs: (0, Array("XFSB".utf8))
        case .btrfs: (0x10040, Array("_BHRfS_M".utf8))
        }
    }

    /// The file system that an image has in it, nil if it is none of these.
    init?(of image: FilePath) throws {
        guard try Files.isRegular(image) else { return nil }
        let file = try FileDescriptor.open(image, .readOnly, options: [.noFollow, .closeOnExec, .nonBlocking])
        let found = try file.closeAfter {
            try Self.allCases.first { fileSystem in
                var bytes = [UInt8](repeating: 0, count: fileSystem.magic.bytes.count)
                let count = try bytes.withUnsafeMutableBytes {
                    try file.read(fromAbsoluteOffset: fileSystem.magic.offset, into: $0)
                }
                return count == bytes.count && bytes == fileSystem.magic.bytes
            }
        }
        guard let found else { return nil }
        self = found
    }
}
