// SPDX-License-Identifier: Apache-2.0

import MobyFSTesting
import MobyFSVolumes
import Testing

@Suite struct VolumeOptionsTests {
    private func options(_ given: [String: String]) throws(VolumeError) -> VolumeOptions {
        try OptionParser(RecordingDriver()).parse(given).options
    }

    @Test func bringsValuesIntoOneSpelling() throws {
        let read = try options([
            "uid": "root", "gid": "0", "mode": "750", "on-remove": "Trash", "protected": "", "colour": "Red",
        ])
        #expect(
            read.values
                == ["uid": "0", "gid": "0", "mode": "0750", "on-remove": "trash", "protected": "true", "colour": "Red"])
        #expect(read.mode == 0o750)
        #expect(read.isProtected)
    }

    @Test(arguments: [
        ("mode", "999"), ("mode", "10000"), ("mode", "rwx"), ("mode", ""), ("uid", "nobodyhere"), ("uid", "-1"),
        ("uid", "4294967295"), ("uid", ""), ("gid", "99999999999"), ("on-remove", "burn"), ("protected", "perhaps"),
    ])
    func refusesValuesNamingOptionAndValue(name: String, value: String) {
        let error = #expect(throws: VolumeError.self) { try options([name: value]) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("\(name)='\(value)'") == true)
    }

    @Test func namesTheNearestOptionForOneThatIsUnknown() {
        let error = #expect(throws: VolumeError.self) { try options(["color": "red"]) }
        #expect(
            error?.message
                == "unknown option 'color'; did you mean 'colour'? known: colour, driver, from, gid, mode, on-remove, protected, size, snapshot-keep, snapshot-schedule, trash-retention, uid"
        )
    }

    @Test func saysHowOptionsDiffer() throws {
        let (one, two) = (
            try options(["mode": "0700", "uid": "1"]), try options(["mode": "755", "gid": "2", "uid": "1"])
        )
        #expect(one.difference(from: two) == "gid is not set, asked for '2'; mode is '0700', asked for '0755'")
        #expect(one.difference(from: one) == nil)
        #expect(
            one.difference(from: two, defaults: ["mode": "0755"])
                == "gid is not set, asked for '2'; mode is '0700', not asked for (the default is '0755')")
    }
}
