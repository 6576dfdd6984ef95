// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import SystemPackage

enum MountTableFuzzing {
    /// What an entry says, a line says, and the other way around.
    static func check(_ bytes: [UInt8]) throws {
        let table = MountTable(parsing: bytes)
        for entry in table.entries {
            let line = Self.line(entry)
            let again = MountTable(parsing: line).entries
            try FuzzFinding.require(
                again == [entry], "'\(String(decoding: line, as: UTF8.self))' is of \(entry), and reads as \(again)")
            try FuzzFinding.require(
                table.mount(within: entry.mountpoint) != nil && table.entry(id: entry.id) != nil,
                "\(entry) is not found")
        }
        let devices = Set(table.entries.prefix(1).map(\.device))
        let some = MountTable(parsing: bytes, onlyOf: MountSelection(devices: devices)).entries
        let expected = table.entries.filter { devices.contains($0.device) }
        try FuzzFinding.require(
            some.filter { devices.contains($0.device) } == expected, "not all entries of \(devices) are found")
    }

    /// As the kernel writes it: show_mountinfo in fs/proc_namespace.c.
    private static func line(_ entry: MountEntry) -> [UInt8] {
        func escaped(_ text: String) -> [UInt8] {
            text.utf8.flatMap { byte in
                " \t\n\\#".utf8.contains(byte)
                    ? Array("\\\(byte < 64 ? "0" : "1")\(byte / 8 % 8)\(byte % 8)".utf8) : [byte]
            }
        }
        let front = [Array("\(entry.id) 1 \(entry.device)".utf8), escaped(entry.root.string)]
        let middle = [escaped(entry.mountpoint.string), Array("rw shared:1 -".utf8)]
        let back = [entry.type, entry.source, entry.options].map(escaped)
        return Array((front + middle + back).joined(separator: [UInt8(ascii: " ")]))
    }
}
