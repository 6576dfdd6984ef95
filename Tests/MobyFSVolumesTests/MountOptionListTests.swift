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

    /// mount(8) knows bytes: an accent makes no other letter of a comma, nor of the sign before a password.
    @Test func accentsDoNotHideWhatSeparates() throws {
        let list = try MountOptionList(parsing: "ro,\u{301}x,password=\u{301}secret,c=\"\u{301}a,b\",d=\\,\u{301}e")
        #expect(
            list.items == [
                Item("ro"), Item("\u{301}x"), Item("password", "\u{301}secret"), Item("c", "\u{301}a,b"),
                Item("d", ",\u{301}e"),
            ])
        #expect(list.text == "ro,\u{301}x,password=\u{301}secret,c=\"\u{301}a,b\",d=\",\u{301}e\"")
    }

    @Test(arguments: [#"a="b"#, "=x", "a,=b", #"a=b\,c\"#, #"a=b\\,c"#, #"a=b\\"c"#])
    func refusesWhatIsNoListWithoutQuotingIt(text: String) {
        let error = #expect(throws: VolumeError.self) { try MountOptionList(parsing: text) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("option 'o'") == true)
    }
}
