// SPDX-License-Identifier: Apache-2.0

import MobyFSTesting
import SystemPackage
import Testing
import TortureSupport

/// A folder beside the volumes: whoever follows a link or a mount out of one is found out by what becomes of it.
struct Canary: Sendable {
    let folder: FilePath
    /// What is in its files, and must be nowhere else.
    let mark: String

    init(at folder: FilePath) async throws {
        self.folder = folder
        mark = "canary-\(String(UInt64.random(in: 0...UInt64.max), radix: 36))"
        try await Shell.run(
            """
            mkdir -p '\(folder)/inner'; cd '\(folder)'
            for i in $(seq 50); do echo '\(mark)' >file-$i; echo '\(mark)' >inner/file-$i; done
            echo linked >linked; chmod 600 file-1; chmod 4755 file-2; chmod 1777 inner; chown 4711:4712 file-3 inner
            touch -h -d 2001-02-03T04:05:06Z file-* inner/* linked inner .
            """)
    }

    /// All that is known of it: names, kinds, modes, owners, sizes, times, links and content.
    ///
    /// The file that the volume has too loses a name with the volume, and nothing else.
    var description: String {
        get async throws {
            try await Shell.run(
                """
                cd '\(folder)'; find . ! -name linked -printf '%P %y %m %U %G %s %n %T@ %C@\\n' | sort
                stat -c '%a %u %g %s %Y' linked; cat linked; find . -type f -exec sha256sum {} + | sort
                lsattr -Rd . 2>/dev/null | sort || true
                """)
        }
    }

    /// The files below a folder that have in them what only the canary's may have.
    func leaks(below folder: FilePath) async throws -> String {
        // Files of terabytes that are all hole are of no interest.
        try await Shell.run(
            "find '\(folder)' -xdev -type f -size -64M -exec grep -laF '\(mark)' {} + 2>/dev/null || true")
    }

    /// Expects nothing to be other than it was, and nothing of it below a folder.
    ///
    /// - Parameters:
    ///   - before: How it was.
    ///   - folder: Where volumes are.
    ///   - step: What was done, for people.
    /// - Returns: What went wrong.
    /// - Throws: What keeps it from being looked at.
    func losses(since before: String, below folder: FilePath, _ step: Comment) async throws -> [Torture.Loss] {
        let (after, leaks) = (try await description, try await leaks(below: folder))
        #expect(after == before, step)
        #expect(leaks == "", step)
        return (after == before ? [] : [.lost]) + (leaks.isEmpty ? [] : [.leaked])
    }
}
