// SPDX-License-Identifier: Apache-2.0

extension EngineHost {
    func isActive(_ unit: String) async throws -> Bool {
        try await attempt(["systemctl", "is-active", "--quiet", unit]).succeeded
    }

    /// A number among the properties of a unit; 0 when it has none.
    func property(_ name: String, of unit: String) async throws -> Int {
        Int(try await run("systemctl", "show", "--value", "-p", name, unit)) ?? 0
    }

    /// When the unit's start began and when it was done, in microseconds after the kernel's.
    func startTimes(of unit: String) async throws -> (began: Int, done: Int) {
        (
            try await property("InactiveExitTimestampMonotonic", of: unit),
            try await property("ActiveEnterTimestampMonotonic", of: unit)
        )
    }

    /// Does something with a file as given, then puts things back as they were, pass or fail.
    ///
    /// `text` is the whole content, `apply` the bash script that makes the change take effect, `undo` the one that
    /// makes its undoing take effect, where that is another.
    func withFile(
        _ path: String, _ text: String, apply: String, undo: String? = nil, _ body: () async throws -> Void
    ) async throws {
        let before = try await exists(path) ? try await read(path) + "\n" : nil
        try await write(text, to: path)
        do {
            try await bash(apply)
            try await body()
        } catch {
            try await putBack(before, at: path, undo ?? apply)
            throw error
        }
        try await putBack(before, at: path, undo ?? apply)
    }

    private func putBack(_ text: String?, at path: String, _ script: String) async throws {
        if let text {
            try await write(text, to: path)
        } else {
            try await run("rm", "-f", path)
        }
        try await bash(script)
    }
}
