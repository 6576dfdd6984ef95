// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Testing

@Suite struct JSONValueTests {
    @Test(arguments: [
        #"{"a":[1,-2,"x\n",null,true,false,{"b":{}}],"c":[]}"#, "1.5", "null", #""é""#,
    ])
    func writesWhatItHasRead(text: String) throws {
        let value = try JSONValue(parsing: Array(text.utf8))
        #expect(String(decoding: value.encoded, as: UTF8.self) == text)
    }

    @Test(arguments: ["", "{", "[1,]", "{\"a\":1,}", "01", "nul", "1 2", "// no\n{}", "[1", "1e309"])
    func refusesWhatIsNoJSON(text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: Array(text.utf8)) }
    }

    @Test func refusesWhatNestsTooDeep() {
        let text = String(repeating: "[", count: 100_000)
        #expect(throws: JSONError.self) { try JSONValue(parsing: Array(text.utf8)) }
    }

    @Test func findsTheSameOfMembersThatDifferInCase() throws {
        let keys = ["KEY", "KEy", "KeY", "Key", "kEY", "kEy", "keY"]
        for _ in 0..<8 {
            let members = keys.shuffled().map { ($0, JSONValue.string($0)) }
            #expect(JSONValue.object(Dictionary(uniqueKeysWithValues: members))["key"] == "KEY")
        }
    }

    @Test func findsMembersAsGoDoes() throws {
        let value = try JSONValue(parsing: Array(#"{"err":"x"} trailing"#.utf8), ignoresRest: true)
        #expect(value["Err"]?.string == "x")
        #expect(value["Name"] == nil)
    }
}
