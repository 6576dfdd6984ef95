// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import SystemPackage
import Testing

@testable import MobyFSVolumes

@Suite struct VolumeErrorTests {
    /// The kernel's own words say only what is wrong.
    @Test(arguments: [
        (Errno.noSpace, "make room in it"), (Errno.readOnlyFileSystem, "mount it anew"),
        (Errno.tooManyOpenFiles, "LimitNOFILE="), (Errno.tooManyOpenFilesInSystem, "fs.file-max"),
    ])
    func namesTheWayOut(errno: Errno, words: String) {
        let call = "open '/var/lib/mobyfs/volumes/db/record.json'"
        let error = VolumeError.failure("cannot create volume 'db'", SystemCallError(call, errno))
        #expect(error.code == .io)
        #expect(error.message.hasPrefix("cannot create volume 'db': ") && error.message.contains(words))
        #expect(error.description.hasSuffix("\(call): \(errno)"))
    }
}
