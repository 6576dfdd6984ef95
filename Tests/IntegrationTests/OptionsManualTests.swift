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
        page.set("all", to: OptionsPage.list(common))
        for driver in drivers { page.set(driver.name, to: OptionsPage.text(on: driver)) }
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
                return try ListDrivers.answer(decoding: Array(body.utf8)).drivers
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

    /// Writes what there is to say of a driver, or of all; where nothing is said yet, at the end of the section.
    mutating func set(_ name: String, to content: String) {
        let begin = ".\\\" options of \(name)\n"
        if let start = text.firstRange(of: begin),
            let end = text[start.upperBound...].firstRange(of: ".\\\" end\n")
        {
            text.replaceSubrange(start.upperBound..<end.lowerBound, with: content)
        } else if let next = text.firstRange(of: ".Sh EXAMPLES\n") {
            text.insert(contentsOf: ".Ss \(name)\n\(begin)\(content).\\\" end\n", at: next.lowerBound)
        }
    }

    static func text(on driver: DriverDescription) -> String {
        let own = driver.options.filter { !$0.isCommon }
        let choice =
            driver.selectors.isEmpty ? "" : sentence("chosen by \(driver.selectors.joined(separator: ", "))")
        return sentence(driver.summary) + choice + (own.isEmpty ? "" : list(own))
    }

    static func list(_ options: [DriverDescription.Option]) -> String {
        ".Bl -tag -width Ds\n" + options.map(entry).joined() + ".El\n"
    }

    private static func entry(_ option: DriverDescription.Option) -> String {
        var text = ".It Cm \(option.name)=\n" + sentence(option.help)
        if option.syntax != "any text" { text += sentence("value: \(option.syntax)") }
        if let standard = option.defaultValue { text += sentence("default: \(standard)") }
        if !option.aliases.isEmpty { text += sentence("also called \(option.aliases.joined(separator: ", "))") }
        if option.isSecret { text += sentence("its value is shown nowhere") }
        return text
    }

    /// A sentence in lines of its own, none of which roff would take for a request.
    private static func sentence(_ text: String) -> String {
        var lines = [""]
        // An example is no word to begin a sentence with.
        let begins = text.prefix { $0 != " " }.allSatisfy { $0.isLetter || "=-,:".contains($0) }
        let text = begins ? text.prefix(1).uppercased() + text.dropFirst() : text
        for word in "\(text).".split(separator: " ") {
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
