// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@testable import MobyFSVolumes

/// A record and its copy on the disk.
@Suite struct RecordFilesTests {
    private func withRecord(_ body: (_ directory: FilePath, _ volume: Volume) throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            let volume = Volume(
                name: try VolumeName("db"), driver: "directory", options: VolumeOptions(checked: ["mode": "0700"]),
                createdAt: Date(timeIntervalSince1970: 1_790_000_000))
            try VolumeRecord.write(volume, in: root)
            try body(root, volume)
        }
    }

    /// The record is a folder, in whose place nothing can be written, as where its disk fails.
    @Test(arguments: [true, false])
    func aCopyOutlastsARecordThatCannotBeWritten(isMended: Bool) async throws {
        try await withRecord { directory, volume in
            let (record, copy) = (directory.appending("record.json"), directory.appending("record.json.copy"))
            let good = try copy.text
            try Files.unlink(record)
            for folder in [record, directory.appending("record.json.damaged")] {
                try Directories.create(folder, mode: 0o755)
                try folder.appending("file").write("somebody's")
            }
            var changed = volume
            changed.options = VolumeOptions(checked: ["mode": "0711"])
            #expect(throws: SystemCallError.self) {
                try isMended
                    ? VolumeRecord.mend(changed, in: directory) : VolumeRecord.write(changed, in: directory)
            }
            #expect(try copy.text == good)
        }
    }

    @Test func aRecordThatIsMendedHasACopy() async throws {
        try await withRecord { directory, volume in
            for name in ["record.json", "record.json.copy"] { try directory.appending(name).write("{") }
            try VolumeRecord.mend(volume, in: directory)
            #expect(try VolumeRecord.read(in: directory) == volume)
            #expect(try VolumeRecord.readCopy(in: directory) == volume)
        }
    }
}
