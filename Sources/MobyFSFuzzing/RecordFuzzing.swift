// SPDX-License-Identifier: Apache-2.0

import MobyFSDrivers
import MobyFSHost
import MobyFSVolumes
import SystemPackage

enum RecordFuzzing {
    private static let drivers = BuiltInDrivers.all(reserved: [])

    /// What is read is written, and reads the same.
    static func check(_ bytes: [UInt8]) throws {
        let volume: Volume
        do {
            volume = try VolumeRecord.decode(bytes)
        } catch {
            return try FuzzFinding.require(!"\(error)".contains("\n"), "the reason is of several lines: '\(error)'")
        }
        let again = try VolumeRecord.decode(VolumeRecord.encode(volume))
        try FuzzFinding.require(again == volume, "\(volume) reads as \(again)")
        let options = volume.options
        _ = (options.size, options.owner, options.group, options.mode, options.isProtected)
        _ = (volume.removalPolicy, volume.warning, options.difference(from: VolumeOptions(checked: [:])))
        let context = DriverContext(
            root: "/nonexistent/data", mounts: "/nonexistent/mounts", deadline: .now, logger: .silent)
        for driver in drivers where driver.info.name == volume.driver {
            // Whether it is accepted does not matter: it was, once.
            try? driver.check(options)
            _ = (driver.keepsDataInside(volume), driver.allowsManyHosts(volume))
            let mountpoint = driver.mountpoint(of: volume, in: context)
            try FuzzFinding.require(mountpoint.isAbsolute, "the mountpoint would be '\(mountpoint)'")
        }
    }
}

enum HolderFuzzing {
    /// The file may be of this boot, which is not known beforehand.
    private static let boot = Array("THIS-BOOT".utf8)

    /// Who holds which volume is kept as it was read.
    static func check(_ bytes: [UInt8]) throws {
        var bytes = bytes
        if let place = bytes.firstRange(of: boot) {
            bytes.replaceSubrange(place, with: Array(ProcessIdentity.currentBootID.utf8))
        }
        try withScratchDirectory { root in
            try write(bytes, to: root.appending("holders").appending("db.json"))
            let store = HolderStore(runtimeDirectory: root, logger: .silent)
            let all = store.load()
            for (name, holders) in all {
                _ = (holders.description, holders.count, holders.engines, holders.alone, holders.unconfirmed(given: []))
                try store.save(holders, of: name)
            }
            let again = store.load().filter { !$0.value.isEmpty }
            try FuzzFinding.require(again == all.filter { !$0.value.isEmpty }, "\(all) is read as \(again)")
        }
    }
}
