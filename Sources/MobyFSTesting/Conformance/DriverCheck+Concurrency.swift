// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSVolumes
import SystemPackage
import Testing

extension DriverCheck {
    /// Sixteen calls at once.
    static let concurrency = [
        DriverCheck("sixteen volumes live and die at once", sixteenVolumes),
        DriverCheck("sixteen Mounts of one volume at once mount it once", sixteenMounts),
        DriverCheck("containers that come and go do not lose each other's data", comingAndGoing),
        DriverCheck("Create, Mount and Remove of one volume at once end well", everythingAtOnce),
    ]

    private static func sixteenVolumes(_ run: DriverRun) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<16 {
                group.addTask {
                    let name = "db-\(number)"
                    try await run.create(name)
                    for round in 0..<2 {
                        try await run.withMounted(name) { path in
                            if round == 0 { try path.appending("file").write(name) }
                            try path.expectText(name, in: "file")
                            try run.expectMounted(name)
                        }
                    }
                    try await run.volumes.remove(name)
                }
            }
            try await group.waitForAll()
        }
        try await run.expectNothingLeft()
    }

    private static func sixteenMounts(_ run: DriverRun) async throws {
        try await run.create("db")
        let paths = try await withThrowingTaskGroup(of: FilePath.self) { group in
            for number in 0..<16 { group.addTask { try await run.mount("db", "c\(number)") } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(paths.count == 1)
        #expect(try run.volumes.describe("db").mountCount == 16)
        try run.expectMounted("db")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<16 { group.addTask { try await run.unmount("db", "c\(number)") } }
            try await group.waitForAll()
        }
        try await run.expectReleased("db")
    }

    private static func comingAndGoing(_ run: DriverRun) async throws {
        try await run.create("db")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask {
                    for round in 0..<3 {
                        let path = try await run.mount("db", "c\(number)")
                        try path.appending("\(number)-\(round)").write("precious")
                        try await run.unmount("db", "c\(number)")
                    }
                }
            }
            try await group.waitForAll()
        }
        try await run.expectReleased("db")
        let names = try await run.withMounted("db") { try Directories.entries(of: $0) }
        #expect(names.count == 24)
    }

    private static func everythingAtOnce(_ run: DriverRun) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask { try await run.create("db") }
                group.addTask {
                    // Not there yet or not there any more.
                    guard (try? await run.mount("db", "c\(number)")) != nil else { return }
                    try await run.unmount("db", "c\(number)")
                }
                // Held at the moment.
                group.addTask { try? await run.volumes.remove("db") }
            }
            try await group.waitForAll()
        }
        try await run.create("db")
        try await run.withMounted("db") { try $0.appending("file").write("precious") }
    }
}
