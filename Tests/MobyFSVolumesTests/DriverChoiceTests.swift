// SPDX-License-Identifier: Apache-2.0

import MobyFSTesting
import MobyFSVolumes
import Testing

@Suite struct DriverChoiceTests {
    private static func driver(
        _ name: String, options: [OptionInfo] = [], selectors: [String] = [], isLasting: Bool = true,
        size: SizeSupport = .enforced
    ) -> RecordingDriver {
        RecordingDriver(
            info: DriverInfo(
                name: name, summary: name, options: options, selectors: selectors, isLasting: isLasting),
            sizeSupport: size)
    }

    private static let type = OptionInfo("type", .text, "type")
    private static let device = OptionInfo("device", .text, "device")

    private static let drivers = [
        driver("folder", size: .unsupported("it has no quotas")),
        driver("memory", options: [type, device], selectors: ["type=tmpfs"], isLasting: false),
        driver("file", options: [OptionInfo("fs", .text, "fs")], selectors: ["fs"]),
        driver("net", options: [type, device], selectors: ["type", "device"], size: .unsupported("servers decide")),
    ]

    private func chosen(_ options: [String: String], from drivers: [RecordingDriver] = drivers) async throws -> String?
    {
        var name: String?
        try await withVolumeManager(drivers: drivers) { fixture in
            try await fixture.volumes.create("db", options: options)
            name = try fixture.volumes.describe("db").volume?.driver
        }
        return name
    }

    @Test(arguments: [
        ([:], "folder"), (["fs": "xfs"], "file"), (["type": "nfs", "device": "x"], "net"), (["device": "x"], "net"),
        (["type": "tmpfs", "device": "tmpfs"], "memory"), (["size": "1G"], "file"), (["o": "size=1G"], "file"),
        (["type": "tmpfs", "size": "1G"], "memory"), (["driver": "file"], "file"), (["uid": "0"], "folder"),
    ])
    func followsFromTheOptions(options: [String: String], driver: String) async throws {
        let name = try await chosen(options)
        #expect(name == driver)
    }

    @Test(arguments: [
        (
            ["fs": "xfs", "type": "nfs"],
            "options of different drivers are given: 'fs' of driver 'file' and 'type' of driver 'net'"
        ),
        (
            ["type": "nfs", "size": "1G"],
            "driver 'net' cannot hold a volume to size='1GiB': servers decide; these can here: driver=memory, driver=file"
        ),
        (
            ["driver": "folder", "size": "1G"],
            "driver 'folder' cannot hold a volume to size='1GiB': it has no quotas; these can here"
        ),
        (["driver": "flie"], "unknown driver 'flie'; did you mean 'file'?"),
        (
            ["driver": "file", "device": "x"],
            "option 'device' is of driver 'net', and this volume's is 'file', which knows"
        ),
        (["devize": "x"], "or did you mean 'device' of driver 'net'?"),
        (["typ": "nfs"], "or did you mean 'type' of driver 'net'?"),
        (["fz": "xfs"], "or did you mean 'fs' of driver 'file'?"),
    ])
    func refusesWhatNoDriverIsFor(options: [String: String], words: String) async {
        let error = await #expect(throws: VolumeError.self) { try await chosen(options) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    @Test func noSizeIsEverAnsweredWithMemory() async {
        let drivers = [
            Self.driver("folder", size: .unsupported("it has no quotas")),
            Self.driver("memory", options: [Self.type], selectors: ["type=tmpfs"], isLasting: false),
        ]
        let error = await #expect(throws: VolumeError.self) { try await chosen(["size": "1G"], from: drivers) }
        #expect(error?.message.contains("driver 'folder' cannot hold") == true)
    }

    @Test func aVolumeThatExistsKeepsTheDriverItHas() async throws {
        try await withVolumeManager(drivers: Self.drivers) { fixture in
            try await fixture.volumes.create("db", options: ["size": "1G"])
            try await fixture.volumes.create("db", options: ["size": "1024M"])
            let error = await #expect(throws: VolumeError.self) { try await fixture.volumes.create("db", options: [:]) }
            #expect(error?.message.contains("size is '1GiB', not asked for") == true)
        }
    }
}
