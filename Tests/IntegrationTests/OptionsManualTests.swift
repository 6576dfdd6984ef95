// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MobyFSDaemon
import MobyFSHost
import MobyFSTesting
import Subprocess
import SystemPackage
import Testing

/// The manual page of options says what the table says that options are checked against.
@Suite struct OptionsManualTests {
    private static let page =
        FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
        .appending("packaging/man/mobyfs-volume-options.7")

    /// With `WRITE_MANUAL=1` the page is brought up to date first.
    @Test func thePageHasEveryOptionOfEveryDriver() async throws {
        var page = try OptionsPage(Self.page.text)
        let drivers = try await drivers()
        // A driver may have one of its own in place of a common one.
        var common: [DriverDescription.Option] = []
        for option in drivers.flatMap(\.options) where option.isCommon && !common.contains(option) {
            common.append(option)
        }
        page["all"] = common
        for driver in drivers { page[driver.name] = driver.options.filter { !$0.isCommon } }
        if ProcessInfo.processInfo.environment["WRITE_MANUAL"] == "1" { try Self.page.write(page.text) }
        let written = try Self.page.text
        #expect(
            written == page.text,
            "the page is not what the table says: WRITE_MANUAL=1 swift test --filter OptionsManualTests")
    }

    @Test(.enabled(if: FilePath("/usr/bin/mandoc").exists, "needs mandoc"))
    func thePageIsAsItShouldBe() async throws {
        let result = try await run(
            .name("mandoc"), arguments: ["-T", "lint", "-W", "warning", Self.page.string],
            output: .string(limit: 1 << 16), error: .combinedWithOutput)
        #expect(result.terminationStatus == .exited(0), "\(result.standardOutput)")
    }

    /// As the built daemon tells of them.
    private func drivers() async throws -> [DriverDescription] {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                let answer = try await Wire(daemon.runtime.appending("control.sock"))
                    .exchange(Wire.post("/Control.ListDrivers", "{}"))
                let body = answer.firstRange(of: "\r\n\r\n").map { answer[$0.upperBound...] } ?? ""
                return try DriverList(decoding: Array(body.utf8)).drivers
            }
        }
    }
}

/// A page with lists of options between two comments each.
private struct OptionsPage {
    var text: String

    init(_ text: String) {
        self.text = text
    }

    /// The options of a driver, or those of all; where it has no list yet, it gets one at the end of the section.
    subscript(name: String) -> [DriverDescription.Option] {
        get { [] }
        set {
            let list = "\n" + (newValue.isEmpty ? "None of its own.\n" : Self.list(newValue))
            if let start = text.firstRange(of: ".\\\" options of \(name)\n"),
                let end = text[start.upperBound...].firstRange(of: ".\\\" end\n")
            {
                text.replaceSubrange(start.upperBound..<end.lowerBound, with: list.dropFirst())
            } else if let next = text.firstRange(of: ".Sh EXAMPLES\n") {
                text.insert(
                    contentsOf: ".Ss \(name)\n.\\\" options of \(name)\(list).\\\" end\n", at: next.lowerBound)
            }
        }
    }

    private static func list(_ options: [DriverDescription.Option]) -> String {
        ".Bl -tag -width Ds\n" + options.map(entry).joined() + ".El\n"
    }

    private static func entry(_ option: DriverDescription.Option) -> String {
        var text = ".It Cm \(option.name)=\n" + sentence(option.help)
        text += sentence("value: \(option.syntax)")
        if let standard = option.defaultValue { text += sentence("default: \(standard)") }
        if !option.aliases.isEmpty { text += sentence("also called \(option.aliases.joined(separator: ", "))") }
        if option.isSecret { text += sentence("its value is shown nowhere") }
        return text
    }

    /// A sentence in lines of its own, none of which roff would take for a request.
    private static func sentence(_ text: String) -> String {
        var lines = [""]
        for word in "\(text.prefix(1).uppercased())\(text.dropFirst()).".split(separator: " ") {
            if !lines[lines.count - 1].isEmpty, lines[lines.count - 1].utf8.count + 1 + word.utf8.count > 78 {
                lines.append("")
            }
            let line = lines[lines.count - 1]
            lines[lines.count - 1] = line.isEmpty ? String(word) : "\(line) \(word)"
        }
        return lines.map { line in
            let escaped = line.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\e")
            return (line.hasPrefix(".") || line.hasPrefix("'") ? "\\&" : "") + escaped + "\n"
        }.joined()
    }
}
