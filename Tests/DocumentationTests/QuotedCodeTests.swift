// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MobyFSTesting
import SystemPackage
import Testing

@Suite struct QuotedCodeTests {
    /// The package's own folder.
    private static let package = FilePath(#filePath).removingLastComponent().removingLastComponent()
        .removingLastComponent()

    /// All files below a folder whose names end so.
    private static func files(below folder: String, ending: String) throws -> [FilePath] {
        let root = package.appending(folder)
        return try FileManager.default.subpathsOfDirectory(atPath: root.string).filter { $0.hasSuffix(ending) }
            .map { root.appending($0) }
    }

    private static func lines(_ text: some StringProtocol) -> [String] {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            String(line.drop { $0 == " " })
        }
    }

    /// The blocks of Swift code in a page.
    private static func blocks(in page: FilePath) throws -> [[String]] {
        try page.text.split(separator: "```swift\n", omittingEmptySubsequences: false).dropFirst().map { rest in
            Self.lines(rest.prefix(upTo: rest.firstRange(of: "```")?.lowerBound ?? rest.endIndex)).dropLast()
        }
    }

    /// What a page shows is what the compiler has seen, but for the space in front of the lines.
    @Test func pagesQuoteOnlyCodeThatIsBuilt() throws {
        let sources =
            try (Self.files(below: "Sources", ending: ".swift") + Self.files(below: "Tests", ending: ".swift"))
            .map { Self.lines(try $0.text) }
        let pages = try Self.files(below: "Sources", ending: ".md").filter { $0.string.contains(".docc/") }
        #expect(pages.count >= 7)
        var count = 0
        for page in pages {
            for block in try Self.blocks(in: page) {
                count += 1
                let isBuilt = sources.contains { $0.firstRange(of: block) != nil }
                #expect(isBuilt, "\(page): \(block.first ?? "")")
            }
        }
        #expect(count >= 8)
    }
}
