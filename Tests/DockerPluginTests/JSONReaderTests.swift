// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Testing

@testable import DockerPlugin

@Suite struct JSONReaderTests {
    private func request(_ text: String) throws(JSONError) -> VolumeRequest {
        try VolumeRequest(decoding: Array(text.utf8))
    }

    /// As engines send it: compact, with a newline at the end.
    @Test(arguments: [
        #"{"Name":"v","Opts":null}"# + "\n",
        #"{"name":"v"}"#,
        #"{"NAME":"v","Extra":{"a":[1,-2.5e+3,true,false,null,"x",{}],"b":[]}}"#,
        " {\t\"Name\" :\r\n \"v\" } ",
        #"{"Name":"other","Name":"v"}"#,
        #"{"Name":"\u0076"}"#,
    ])
    func readsTheNameWhateverIsAroundIt(text: String) throws {
        #expect(try request(text) == VolumeRequest(name: "v"))
    }

    @Test func readsOptionsAndMountID() throws {
        let read = try request(#"{"Name":"v","ID":"i","Opts":{"a":"1,2%\"","b":"","c":null}}"#)
        #expect(read == VolumeRequest(name: "v", id: "i", options: ["a": "1,2%\"", "b": "", "c": ""]))
    }

    @Test func tellsNoOptionsFromAnEmptySet() throws {
        #expect(try request(#"{"Name":"v","Opts":null}"#).options == nil)
        #expect(try request(#"{"Name":"v","Opts":{}}"#).options == [:])
    }

    /// What Go's encoder writes for these characters.
    @Test(arguments: [
        (#"\u003c\u0026\u003e\u2028"#, "<&>\u{2028}"), (#"\ud83d\ude00"#, "😀"),
        (#"\b\f\n\r\t\/\\"#, "\u{8}\u{C}\n\r\t/\\"),
        (#"\ud83d"#, "\u{FFFD}"), (#"\ud83dx"#, "\u{FFFD}x"), (#"\ude00"#, "\u{FFFD}"), (#"\ud83d\u0041"#, "\u{FFFD}A"),
    ])
    func readsEscapes(escaped: String, meant: String) throws {
        #expect(try request("{\"Name\":\"\(escaped)\"}").name == meant)
    }

    @Test(arguments: [
        "", "{", "}", "[]", "1", "\"v\"", "{\"Name\"}", "{\"Name\":}", "{\"Name\":\"v\"", "{\"Name\":\"v\"}x",
        "{\"Name\":\"v\",}",
        "{\"Name\":5}", "{\"Name\":[\"v\"]}", "{\"Opts\":[]}", "{\"Opts\":{\"a\":1}}", "{\"Name\":\"\\x\"}",
        "{\"Name\":\"\\u12\"}",
        "{\"Name\":\"a\nb\"}", "{\"x\":01}", "{\"x\":1.}", "{\"x\":-}", "{\"x\":tru}", "{\"x\":[1,]}", "{\"x\":[1 2]}",
        "{\"x\":{\"a\" 1}}",
        "{,}", "nul", "\u{0}\u{1}",
    ])
    func refusesWhatIsNoRequest(text: String) {
        #expect(throws: JSONError.self) { try request(text) }
    }

    @Test func refusesDepthWithoutExhaustingTheStack() {
        let deep = "{\"x\":" + String(repeating: "[", count: 1_000_000)
        #expect(throws: JSONError(description: "JSON nests deeper than 64 levels")) { try request(deep) }
    }

    /// Whatever it is given, the reader agrees with the generic decoder on what is JSON, and on the strings.
    @Test func agreesWithTheGenericDecoder() throws {
        var generator = SplitMix64(state: 20_261_121)
        let pieces = [
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\"Name\"", "\"Opts\"", "\"v\"", "\\u00e9", "1", "-", "0", ".",
            "null", "true",
            " ", "\"a\":\"b\"", "{\"Name\":", "é",
        ]
        var accepted = 0
        for _ in 0..<20_000 {
            var text = "{\"Name\":\"v\",\"x\":"
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                text += pieces.randomElement(using: &generator) ?? ""
            }
            text += "}"
            let ours = try? VolumeRequest(decoding: Array(text.utf8))
            let generic = try? JSONDecoder().decode(Generic.self, from: Data(text.utf8))
            // The generic decoder lets a comma pass before a closing bracket; RFC 8259 and Go do not.
            let dense = text.replacing(" ", with: "")
            if dense.contains(",}") || dense.contains(",]") { continue }
            // The generic decoder keeps the first of equal keys, and knows no other case.
            if text.components(separatedBy: "\"Name\"").count > 2 || text.contains("Opts") { continue }
            #expect((ours == nil) == (generic == nil), "\(text)")
            #expect(ours?.name == generic?.Name, "\(text)")
            if ours != nil { accepted += 1 }
        }
        #expect(accepted > 100)
    }

    /// The same numbers in each run (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
    private struct SplitMix64: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    private struct Generic: Decodable {
        // swift-format-ignore: AlwaysUseLowerCamelCase
        var Name: String?
        var x: Anything?
    }

    /// Any JSON value; the decoder checks only what it is asked to decode.
    private struct Anything: Decodable {
        init(from decoder: any Decoder) throws {
            if let object = try? decoder.container(keyedBy: Key.self) {
                for key in object.allKeys { _ = try object.decode(Anything?.self, forKey: key) }
            } else if var array = try? decoder.unkeyedContainer() {
                while !array.isAtEnd { _ = try array.decode(Anything?.self) }
            } else {
                let value = try decoder.singleValueContainer()
                if value.decodeNil() || (try? value.decode(Bool.self)) != nil || (try? value.decode(Double.self)) != nil
                {
                    return
                }
                _ = try value.decode(String.self)
            }
        }
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}
