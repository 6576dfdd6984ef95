// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing
import TortureSupport

/// A daemon that may have next to no descriptors.
@Suite(.timeLimit(.minutes(5)), .enabled(if: Machine.isRoot && LoopDevice.obstacle == nil, "needs root, loop devices"))
struct DescriptorShortageTests {
    private static let calls = 12

    @Test(arguments: [24, 40]) func eachCallIsAnsweredAndNoVolumeIsLost(limit: Int) async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root, launcher: ["/usr/bin/prlimit", "--nofile=\(limit)"]) { daemon in
                var findings: [Torture.Loss] = []
                let begin = ContinuousClock.now
                let created = await withTaskGroup(of: String?.self) { group in
                    for number in 0..<Self.calls {
                        group.addTask {
                            let body = #"{"Name":"v\#(number)","Opts":{"driver":"image","fs":"ext4","size":"20M"}}"#
                            // As long as an engine waits for it.
                            let wire = try? Wire(daemon.socket, patience: 120)
                            let reply = try? await wire?.exchange(Wire.post("/VolumeDriver.Create", body))
                            return reply?.hasSuffix("\r\n\r\n{}") == true ? "v\(number)" : nil
                        }
                    }
                    return await group.reduce(into: Set<String>()) { if let name = $1 { $0.insert(name) } }
                }
                if ContinuousClock.now - begin > .seconds(60) { findings.append(.hung) }
                let said = try daemon.output
                try #require(daemon.isRunning, "\(said)")
                let list = try await daemon.call("VolumeDriver.List", "{}")
                for name in created where !list.contains(#""Name":"\#(name)""#) { findings.append(.lost) }
                Torture.note(
                    "\(limit) descriptors", times: Self.calls, acknowledged: created.count, findings)
                #expect(findings == [])
            }
        }
    }
}
