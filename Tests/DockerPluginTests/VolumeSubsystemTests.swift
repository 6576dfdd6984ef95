// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Testing

@Suite struct VolumeSubsystemTests {
    /// Volumes that exist are called `v`; what is called `sick` cannot be told of.
    private struct Plugin: VolumePlugin {
        struct Trouble: Error, CustomStringConvertible {
            var description: String { "the disk is on fire" }
        }

        var scope: VolumeScope { .global }
        func create(_ name: String, options: [String: String]?) async throws {
            if name == "sick" { throw Trouble() }
        }
        func remove(_ name: String) async throws {}
        func mount(_ name: String, id: String, for engine: Caller) async throws -> String { "/m/\(name)/\(id)" }
        func unmount(_ name: String, id: String) async throws {}
        func path(_ name: String) throws -> String { "/m/\(name)" }
        func get(_ name: String) throws -> VolumeInfo {
            switch name {
            case "v": return VolumeInfo(name: name)
            case "sick": throw Trouble()
            default: throw VolumeNotFound("no such volume: '\(name)'")
            }
        }
        func list() throws -> [VolumeInfo] { [VolumeInfo(name: "v"), VolumeInfo(name: "w")] }
    }

    /// The body of the answer, or nil where the plugin hangs up.
    private func answer(
        _ method: String, _ body: String, names: VolumeNameRule = .portable
    ) async -> (status: Int, body: String)? {
        switch VolumeSubsystem(Plugin(), names: names).answer(method, body: Array(body.utf8), from: Caller()) {
        case .now(let response): (response.status, String(decoding: response.body, as: UTF8.self))
        case .later(let work):
            await work().map { response in (response.status, String(decoding: response.body, as: UTF8.self)) }
        case .hangUp: nil
        }
    }

    @Test(arguments: [
        ("Create", #"{"Name":"v","Opts":{}}"#, "{}"), ("Remove", #"{"Name":"v"}"#, "{}"),
        ("Mount", #"{"Name":"v","ID":"i"}"#, #"{"Mountpoint":"/m/v/i"}"#), ("Unmount", #"{"Name":"v","ID":"i"}"#, "{}"),
        ("Path", #"{"Name":"v"}"#, #"{"Mountpoint":"/m/v"}"#), ("Get", #"{"Name":"v"}"#, #"{"Volume":{"Name":"v"}}"#),
        ("List", "{}", #"{"Volumes":[{"Name":"v"},{"Name":"w"}]}"#),
        ("List", "", #"{"Volumes":[{"Name":"v"},{"Name":"w"}]}"#),
        ("Capabilities", "{}", #"{"Capabilities":{"Scope":"global"}}"#),
        ("Get", #"{"Name":"gone"}"#, #"{"Err":"no such volume: 'gone'"}"#),
        ("Create", #"{"Name":"sick"}"#, #"{"Err":"the disk is on fire"}"#),
    ])
    func answersWithOneValue(method: String, request: String, expected: String) async {
        let answer = await answer(method, request)
        #expect(answer?.status == 200)
        #expect(answer?.body == expected)
    }

    /// The engine's retry after a broken connection has no body; an error in answer to Get would make it
    /// forget the volume.
    @Test(arguments: ["Create", "Remove", "Mount", "Unmount", "Path", "Get"])
    func hangsUpOnAnEmptyBody(method: String) async {
        #expect(await answer(method, "") == nil)
    }

    @Test func hangsUpRatherThanSayThatASickVolumeIsGone() async {
        #expect(await answer("Get", #"{"Name":"sick"}"#) == nil)
    }

    @Test(arguments: ["{", "{}", "[1]", "null"])
    func refusesABodyWithoutAName(body: String) async {
        #expect(await answer("Get", body)?.status == 400)
    }

    static let impossible = [
        "", ".", "..", "../x", "a/b", "-v", "é", "a b", String(repeating: "x", count: 256), "a\\n",
    ]

    @Test(arguments: ["Create", "Mount", "Path"], impossible)
    func refusesANameThatIsNone(method: String, name: String) async {
        let answer = await answer(method, "{\"Name\":\"\(name)\",\"ID\":\"i\"}")
        #expect(answer?.status == 200)
        #expect(answer?.body.hasPrefix("{\"Err\":\"'") == true)
        #expect(answer?.body.contains("begins with a letter or a digit") == true)
    }

    /// No volume has it, for certain; and what is not there needs no removing.
    @Test(arguments: impossible)
    func takesANameThatIsNoneForThatOfNoVolume(name: String) async {
        let got = await answer("Get", "{\"Name\":\"\(name)\"}")
        #expect(got?.status == 200)
        #expect(got?.body.hasPrefix("{\"Err\":\"no such volume: '") == true)
        for method in ["Remove", "Unmount"] {
            let answer = await answer(method, "{\"Name\":\"\(name)\",\"ID\":\"i\"}")
            #expect(answer?.body == "{}")
        }
    }

    @Test func leavesNamesToAPluginThatWantsThem() async {
        let mounted = await answer("Mount", #"{"Name":"../x","ID":"i"}"#, names: .any)
        #expect(mounted?.body == #"{"Mountpoint":"/m/../x/i"}"#)
        let digits = VolumeNameRule("a name is digits") { $0.allSatisfy(\.isNumber) }
        let refused = await answer("Mount", #"{"Name":"x1","ID":"i"}"#, names: digits)
        #expect(refused?.body == #"{"Err":"'x1' is no name for a volume: a name is digits"}"#)
    }

    @Test(arguments: ["v", "0", "A_b.c-d", String(repeating: "x", count: 255)])
    func allowsWhatTheEnginesOwnVolumesAreCalled(name: String) {
        #expect(VolumeNameRule.portable.allows(name))
    }
}
