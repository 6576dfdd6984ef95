// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import MobyFSDaemon

struct DriverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "driver",
        abstract: "Show the kinds of storage, their options, and what this host lacks for them.",
        subcommands: [List.self, Inspect.self])

    /// The drivers of the daemon, and the same as it told of them.
    static func drivers(_ daemon: DaemonOptions) async throws -> (drivers: [DriverDescription], json: [JSONValue]) {
        let body = try await daemon.call(.listDrivers, [:])
        do {
            return (try DriverList(decoding: body).drivers, try JSONValue(parsing: body)["Drivers"]?.array ?? [])
        } catch {
            throw CommandFailure("the daemon's answer cannot be read, is it of another version? \(error)", status: 2)
        }
    }
}

extension JSONValue {
    /// With the keys of objects in the spelling that the command line has: `isDefault` rather than `IsDefault`.
    var withSmallKeys: JSONValue {
        switch self {
        case .object(let members):
            .object(
                Dictionary(members.map { ($0.prefix(1).lowercased() + $0.dropFirst(), $1.withSmallKeys) }) { $1 })
        case .array(let elements): .array(elements.map(\.withSmallKeys))
        default: self
        }
    }
}
