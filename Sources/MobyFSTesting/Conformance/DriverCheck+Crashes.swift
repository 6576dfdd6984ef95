// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSVolumes
import SystemPackage
import Testing

extension DriverCheck {
    /// What a daemon that was killed leaves for the next one.
    static let crashes = [
        DriverCheck("a mount that nobody wrote down is taken up by the next Mount", takeUpMount),
        DriverCheck("a mount that nobody wrote down is unmounted", unmountUnwritten),
        DriverCheck("a mount that nobody wrote down goes with Remove", removeUnwritten),
        DriverCheck("the mount of a volume that is gone is unmounted", mountOfNothing),
    ]

    private static func takeUpMount(_ run: DriverRun) async throws {
        try await run.makeUnwrittenMount()
        let path = try await run.mount("db", "d")
        try path.expectText("precious", in: "file")
        try run.expectMounted("db")
        try await run.unmount("db", "d")
        try await run.expectReleased("db")
    }

    private static func unmountUnwritten(_ run: DriverRun) async throws {
        try await run.makeUnwrittenMount()
        await run.volumes.unmountIdle()
        try await run.expectReleased("db")
        try await run.withMounted("db") { try $0.expectText("precious", in: "file") }
    }

    private static func removeUnwritten(_ run: DriverRun) async throws {
        try await run.makeUnwrittenMount()
        try await run.volumes.remove("db")
        try await run.expectNothingLeft()
    }

    private static func mountOfNothing(_ run: DriverRun) async throws {
        guard run.fixture.mounting != .never else { return }
        try await run.makeUnwrittenMount {
            try Files.rename(run.pool.appending("volumes/db"), to: run.root.appending("elsewhere"))
        }
        await run.volumes.unmountIdle()
        try await eventually("the mount is gone") { try run.mountsOf("db").isEmpty }
        try Files.rename(run.root.appending("elsewhere"), to: run.pool.appending("volumes/db"))
        await run.restart()
        try await run.withMounted("db") { try $0.expectEntries((run.fixture.isLasting ? ["file"] : [])) }
    }
}

extension DriverRun {
    /// A daemon was killed after it had mounted a volume and before it wrote down who holds it.
    fileprivate func makeUnwrittenMount(beforeRestart change: () throws -> Void = {}) async throws {
        try await create("db")
        try await mount("db").appending("file").write("precious")
        try Files.unlink(runtime.appending("holders/db.json"))
        try change()
        await restart()
    }
}
