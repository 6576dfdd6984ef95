// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Logging
import MobyFSDaemon
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// What the daemon answers to the command line.
@Suite struct ControlSubsystemTests {
    private func answer(
        _ method: String, _ request: String, drivers: [RecordingDriver] = [RecordingDriver()]
    ) async throws -> (status: Int, body: JSONValue) {
        try await withVolumeManager(drivers: drivers) { fixture in
            try await fixture.volumes.create("data", options: [:], defaults: [:], plugin: nil)
            let subsystem = ControlSubsystem(volumes: fixture.volumes, logger: .silent)
            let answers = try #require(subsystem.methods[method])
            let response: PluginResponse? =
                switch answers(Array(request.utf8), Caller(userID: 0)) {
                case .now(let response): response
                case .later(let work): await work()
                case .hangUp: nil
                }
            let answer = try #require(response)
            return (answer.status, try JSONValue(parsing: answer.body))
        }
    }

    @Test func resizesAVolumeAndSaysWhatItUnderstood() async throws {
        let answer = try await answer("ResizeVolume", #"{"Name":"data","Size":"10240m"}"#)
        #expect(answer.status == 200)
        #expect(answer.body == ["Size": "10GiB"])
    }

    @Test(arguments: [
        (#"{"Name":"data","Size":"10"}"#, "the minimum is"), (#"{"Name":"data","Size":"ten"}"#, "is not a size"),
        (#"{"Name":"other","Size":"1G"}"#, "no such volume: 'other'"),
        (#"{"Name":"../x","Size":"1G"}"#, "is no name for a volume"),
    ])
    func refusesAResizeInTheWordsOfTheVolume(request: String, complaint: String) async throws {
        let answer = try await answer("ResizeVolume", request)
        // As engines want it, and the client shows it: no method stands before the text.
        #expect(answer.status == 200)
        #expect(answer.body["Err"]?.string?.contains(complaint) == true, "\(answer.body)")
    }

    @Test func saysWhatADriverSays() async throws {
        let driver = RecordingDriver(failing: [.resize("data")])
        let answer = try await answer("ResizeVolume", #"{"Name":"data","Size":"1G"}"#, drivers: [driver])
        #expect(answer.body["Err"]?.string?.contains("fails as the test wants it") == true, "\(answer.body)")
    }

    @Test(arguments: [
        ("ResizeVolume", "", "is no JSON"), ("ResizeVolume", "[]", "is no JSON object"),
        ("ResizeVolume", #"{"Name":"data"}"#, "'Size' is missing"),
        ("ResizeVolume", #"{"Name":"data","Size":10}"#, "'Size': "),
        ("CreateVolume", #"{"Name":"data","Options":{"size":10}}"#, "'Options.size': "),
        ("ResizeVolume", #"{"Name":"data","Size":"1G","DryRun":"yes"}"#, "unknown key 'DryRun'"),
        ("ListDrivers", #"{"Nmae":"x"}"#, "unknown key 'Nmae'"),
    ])
    func refusesARequestThatMakesNoSense(method: String, request: String, complaint: String) async throws {
        let answer = try await answer(method, request)
        #expect(answer.status == 400)
        #expect(answer.body["Err"]?.string?.contains(complaint) == true, "\(answer.body)")
    }

    @Test func tellsOfDriversByTheTableThatChecksTheirOptions() async throws {
        let info = DriverInfo(
            name: "elastic", summary: "for tests",
            options: [
                OptionInfo("size", .size(minimumBytes: 1 << 20), "how far it stretches"),
                OptionInfo("stretch", .number(1...9), "how it stretches", default: "3"),
                OptionInfo("password", .text, "what it says", aliases: ["pass"], isSecret: true),
            ],
            selectors: ["stretch"])
        let elastic = RecordingDriver(info: info, lacking: ["the program stretcher is missing: apt install stretcher"])
        let boundless = RecordingDriver(sizeSupport: .unsupported("it knows no bounds"))
        let answer = try await answer("ListDrivers", "{}", drivers: [elastic, boundless])
        let list = try ListDrivers.answer(decoding: answer.body.encoded)
        #expect(list.drivers.map(\.name) == ["elastic", "recording"])
        let told = try #require(list.drivers.first)
        #expect(told.isDefault && told.isLasting)
        #expect(told.selectors == ["stretch"])
        #expect(told.lacks == ["the program stretcher is missing: apt install stretcher"])
        #expect(told.unlimitedReason == nil)
        #expect(list.drivers.last?.unlimitedReason == "it knows no bounds")
        let password = try #require(told.options.first { $0.name == "password" })
        #expect(password.isSecret && !password.isCommon && password.aliases == ["pass"])
        let stretch = try #require(told.options.first { $0.name == "stretch" })
        #expect(stretch.syntax == "a number from 1 to 9" && stretch.defaultValue == "3")
        // What it has of its own in place of a common one is its own.
        #expect(told.options.first { $0.name == "size" }?.isCommon == false)
        #expect(told.options.first { $0.name == "mode" }?.isCommon == true)
    }

    @Test func hasTheCallsThatAreDocumentedAndNoOthers() {
        let subsystem = ControlSubsystem(
            volumes: VolumeManager(root: "/none", runtimeDirectory: "/none", drivers: [], logger: .silent),
            logger: .silent)
        #expect(subsystem.name == "Control")
        #expect(["ResizeVolume", "ListDrivers"].allSatisfy { subsystem.methods[$0] != nil })
        #expect(["Create", "resizeVolume", ""].allSatisfy { subsystem.methods[$0] == nil })
    }
}
