// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

/// One thing that every driver has to get right.
///
/// As an argument of a test: `@Test(arguments: DriverCheck.all) func image(check: DriverCheck) async throws {
/// try await check(imageFixture) }`.
package struct DriverCheck: Sendable {
    let name: String
    private let body: @Sendable (DriverRun) async throws -> Void

    init(_ name: String, _ body: @escaping @Sendable (DriverRun) async throws -> Void) {
        self.name = name
        self.body = body
    }

    /// The whole suite.
    package static let all = lifecycle + mounting + seeding + concurrency + crashes + names + sizes + snapshots

    /// Runs the check on storage of its own, and sees that nothing is left of it.
    package func callAsFunction(_ fixture: DriverFixture) async throws {
        try await withTemporaryDirectory { root in
            let ground = try await fixture.prepare(root)
            do {
                try await check(fixture, ground, root)
            } catch {
                try await ground.tearDown()
                throw error
            }
            try await ground.tearDown()
        }
    }

    private func check(_ fixture: DriverFixture, _ ground: DriverGround, _ root: FilePath) async throws {
        let run = await DriverRun(fixture: fixture, ground: ground, root: root)
        do {
            try await body(run)
        } catch {
            try await run.cleanUp()
            throw error
        }
        try await run.cleanUp()
    }
}

extension DriverCheck: CustomTestStringConvertible {
    package var testDescription: String { name }
}
