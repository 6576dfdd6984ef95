// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Logging
import MobyFSDaemon
import MobyFSDrivers
import MobyFSVolumes
import SystemPackage

enum ControlFuzzing {
    /// Nothing is done about the calls, so it touches no disk.
    private static let methods = ControlSubsystem(
        volumes: VolumeManager(
            root: "/nonexistent/pool", runtimeDirectory: "/nonexistent/run", drivers: BuiltInDrivers.all(reserved: []),
            logger: .silent),
        logger: .silent
    ).methods

    /// What is refused is refused with a reason.
    static func check(_ bytes: [UInt8]) throws {
        let parts = bytes.split(separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false)
        guard let method = methods[String(decoding: parts[0], as: UTF8.self)],
            case .now(let response) = method(parts.count > 1 ? Array(parts[1]) : [], Caller())
        else { return }
        try FuzzFinding.require(response.status >= 400, "a call is answered before it is made")
        let reason = try JSONValue(parsing: response.body)["Err"]?.string ?? ""
        try FuzzFinding.require(!reason.isEmpty, "a call is refused without a reason")
    }
}

extension Logger {
    /// Logs nothing.
    static var silent: Logger { Logger(label: "fuzzing") { _ in SwiftLogNoOpLogHandler() } }
}
