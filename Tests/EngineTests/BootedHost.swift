// SPDX-License-Identifier: Apache-2.0

import Testing

/// Boots one host with mobyfs installed for all tests of a suite, and destroys it after the last one.
struct BootedHost: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await EngineHost.destroyLeftovers()
        let host = try await EngineHost.boot()
        do {
            try await host.installPackage()
            try await EngineHost.$booted.withValue(host, operation: function)
            await host.keepJournal()
        } catch {
            await host.keepJournal()
            try await host.destroy()
            throw error
        }
        try await host.destroy()
    }
}

/// After each test removes all containers and volumes, and fails a test of which anything is left then.
struct LeavesNothingBehind: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let host = EngineHost.shared
        do {
            try await function()
        } catch {
            try await host.reset()
            throw error
        }
        try await host.reset()
    }
}

extension Trait where Self == BootedHost {
    static var bootedHost: Self { Self() }
}

extension Trait where Self == LeavesNothingBehind {
    static var leavesNothingBehind: Self { Self() }
}
