// SPDX-License-Identifier: Apache-2.0

import MobyFSFuzzing
import MobyFSHost
import SystemPackage
import Testing
import TortureSupport

/// What `make fuzz` has found worth keeping: files named by their content, in a folder for each target.
@Suite struct FuzzCorpusTests {
    private static let corpus = FilePath(#filePath).removingLastComponent().appending("Corpus")

    @Test(arguments: FuzzTarget.allCases) func nothingAFuzzerHasFoundIsTooMuch(for target: FuzzTarget) async throws {
        let folder = Self.corpus.appending(target.rawValue)
        let files = try Directories.entries(of: folder).sorted()
        #expect(files.count > 3, "what is there to begin with is missing")
        var losses: [Torture.Loss] = []
        for file in files {
            let bytes = try DurableFile.read(folder.appending(file))
            do {
                try await BlockingWork.run { try target.check(bytes) }
            } catch {
                losses.append(.wrong)
                Issue.record("\(folder.appending(file)): \(error)")
            }
        }
        Torture.note("bytes of a fuzzer: \(target)", times: files.count, acknowledged: 0, losses)
    }
}
