// SPDX-License-Identifier: Apache-2.0

import MobyFSVolumes
import Testing

@Suite struct MountOptionListTests {
    private typealias Item = MountOptionList.Item

    @Test func keepsCommasQuotesPercentSignsAndTheOrder() throws {
        let list = try MountOptionList(
            parsing: #"ro,context="a,b",password2=a\,b%20\"c,lowerdir=/x\:y:/z,,uid=%n,eq=a=b"#)
        #expect(
            list.items == [
                Item("ro"), Item("context", "a,b"), Item("password2", "a,b%20\"c"), Item("lowerdir", #"/x\:y:/z"#),
                Item("uid", "%n"), Item("eq", "a=b"),
            ])
        let again = try MountOptionList(parsing: list.text)
        #expect(again == list)
    }

    @Test func theLastValueOfAKeyCounts() throws {
        var list = try MountOptionList(parsing: "vers=3,vers=4.2,noac")
        #expect(list["vers"] == "4.2")
        #expect(list["noac"]?.isEmpty == true)
        #expect(list["rw"] == nil)
        #expect(list.remove("vers") == "4.2")
        #expect(list.text == "noac")
    }

    @Test(arguments: [#"a="b"#, "=x", "a,=b"])
    func refusesWhatIsNoListWithoutQuotingIt(text: String) {
        let error = #expect(throws: VolumeError.self) { try MountOptionList(parsing: text) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("option 'o'") == true)
    }
}
