// SPDX-License-Identifier: Apache-2.0

package import MobyFSHost

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
