// SPDX-License-Identifier: Apache-2.0

import MobyFSTesting
import MobyFSVolumes
import Testing

@Suite struct OptionParserTests {
    /// A driver with an option of each kind.
    private static let info = DriverInfo(
        name: "kinds", summary: "for tests",
        options: [
            OptionInfo("level", .number(1...9), "a number", aliases: ["grade"]),
            OptionInfo("fs", .oneOf(["ext4", "xfs"]), "a word"),
            OptionInfo("password", .text, "a secret", aliases: ["pw"], isSecret: true),
            OptionInfo("where", .path, "a path"),
            OptionInfo("size", .size(minimumBytes: 1 << 20), "how much", default: "1GiB"),
        ])

    private func parse(_ given: [String: String]) throws(VolumeError) -> OptionParser.Parsed {
        try OptionParser(RecordingDriver(info: Self.info)).parse(given)
    }

    @Test func takesOtherNamesAndOtherSpellingsForTheSame() throws {
        let one = try parse(["grade": "07", "fs": "EXT4", "size": "1024M", "where": "/a,b/%20\"c"])
        let other = try parse(["level": "7", "fs": "ext4", "size": "1GiB", "where": "/a,b/%20\"c"])
        #expect(one.options == other.options)
        #expect(
            one.options.values == ["level": "7", "fs": "ext4", "size": "1GiB", "where": "/a,b/%20\"c"])
    }

    @Test func readsPodmansListAsOptionsOfItsOwn() throws {
        let parsed = try parse(["o": "uid=1000,gid=100,size=2G,protected"])
        #expect(parsed.options.values == ["uid": "1000", "gid": "100", "size": "2GiB", "protected": "true"])
    }

    @Test(arguments: [
        (["size": "0"], "option size='0' means 0 bytes: the minimum is 1 MiB (1048576 bytes)"),
        (["size": "10"], "option size='10' means 10 bytes: the minimum is 1 MiB (1048576 bytes)"),
        (["size": "lots"], "option size='lots' is not a size of at least 1 MiB"),
        (["fs": "ntfs"], "option fs='ntfs' is not ext4 or xfs"),
        (["level": "10"], "option level='10' is not a number from 1 to 9"),
        (["where": "/a/../b"], "option where='/a/../b' is not an absolute path without '..'"),
        (["where": "/a\n/b"], "option where='/a\\n/b' has a line break or another control character in it"),
        (["level": "1", "grade": "2"], "option 'level' is given twice, as '2' and as '1'"),
        (["o": "sise=1G"], "unknown option 'sise'; did you mean 'size'?"),
        (["size": "1G", "o": "size=2G"], "option 'size' is given twice, also in o="),
        (["o": "size=\"1G"], "a quote in option 'o' has no end"),
        (["passwrd": "x"], "unknown option 'passwrd'; did you mean 'password'?"),
    ])
    func refusesWithWordsThatNameTheWayOut(given: [String: String], words: String) {
        let error = #expect(throws: VolumeError.self) { try parse(given) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    /// The answer goes to the journal and to a terminal.
    @Test func aHugeNameOrValueIsCut() throws {
        let huge = String(repeating: "x", count: 1 << 20)
        let wishes = [
            [huge: ""], ["size": huge], ["level": huge], ["where": huge], ["mode": huge], ["o": huge],
            ["o": "\"\(huge),\""], ["o": "\(huge)=a\\\\,b"],
        ]
        for wish in wishes {
            let error = #expect(throws: VolumeError.self) { try parse(wish) }
            let message = error?.message ?? ""
            #expect(message.contains("xxx… ("), "\(message.prefix(200))")
            #expect(message.utf8.count < 1000)
        }
    }

    /// To find it takes the longer the longer both are.
    @Test func theWordThatWasMeantIsLookedForOnlyForShortOnes() {
        let known = [String(repeating: "x", count: 64)]
        #expect(Suggestion.nearest(to: String(repeating: "x", count: 63), in: known) == known[0])
        #expect(Suggestion.nearest(to: String(repeating: "x", count: 65), in: known) == nil)
    }

    @Test(arguments: ["password=x", " password=x", "rw, Password=x", "PASSWD=x", "pass =x"])
    func knowsAPasswordInAListHoweverItIsWritten(list: String) throws {
        let info = DriverInfo(name: "lists", summary: "", options: [OptionInfo("o", .mountOptions, "")])
        let parsed = try OptionParser(RecordingDriver(info: info)).parse(["o": list])
        #expect(parsed.secrets == ["password": Secret("x")])
        #expect(parsed.options.values["o"]?.contains("x") != true)
    }

    @Test func showsNoSecretAnywhere() throws {
        let parsed = try parse(["pw": "hunter2", "o": "pass=swordfish"])
        #expect(parsed.options.values == ["password": "***"])
        #expect(parsed.secrets == ["password": Secret("hunter2")])
        let shown = "\(parsed)\(parsed.secrets)\(String(reflecting: parsed.secrets))"
        #expect(!shown.contains("hunter2"))

        let error = #expect(throws: VolumeError.self) { try parse(["password": "two\nlines"]) }
        #expect(error?.message.contains("two") == false)
        #expect(error?.message.contains("password='***'") == true)
    }
}
