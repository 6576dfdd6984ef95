// SPDX-License-Identifier: Apache-2.0

package import MobyFSHost
import SystemPackage

extension DriverFixture {
    /// What this machine lacks of a kernel with these file systems, these programs and root, in words; nil for nothing.
    package static func lack(fileSystems: [String] = [], programs: [HelperProgram] = []) -> String? {
        guard Machine.isRoot else { return "mounting needs root" }
        for type in fileSystems where !Mounts.knows(type: type) { return "no '\(type)' in this kernel" }
        for program in programs where program.locate() == nil {
            return "no '\(program.name)' (apt install \(program.package))"
        }
        return nil
    }
}

extension Machine {
    /// Whether the tests may do what the kernel keeps for CAP_SYS_RESOURCE.
    package static let hasSystemResource: Bool = {
        // No /proc: nothing is known, and the tests will say.
        let status = (try? FilePath("/proc/self/status").text) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        let mask = line?.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) } ?? 0
        return mask & (1 << 24) != 0
    }()
}
