// SPDX-License-Identifier: Apache-2.0

import MobyFSDrivers
import MobyFSVolumes
import SystemPackage

enum OptionFuzzing {
    private static let drivers = BuiltInDrivers.all(reserved: ["/var/lib/mobyfs", "/run/mobyfs"])
    /// In no input unless put there.
    private static let password = "hunter2-\u{1F511}-hunter2"

    /// What is accepted is in one spelling: it is accepted again, and stays as it is.
    static func check(_ bytes: [UInt8]) throws {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard let driver = drivers.first(where: { $0.info.name == lines[0] }) else { return }
        var given: [String: String] = [:]
        for line in lines.dropFirst() {
            let key = line.prefix { $0 != "=" }
            given[String(key)] = String(line.dropFirst(key.count + 1))
        }
        if let list = given["o"] { try check(list: list) }
        let parser = OptionParser(driver, others: drivers.map(\.info))
        if let parsed = try? parser.parse(given) { try checkSpelling(parsed, by: parser) }
        try checkSecrecy(given, of: parser)
    }

    private static func checkSpelling(_ parsed: OptionParser.Parsed, by parser: OptionParser) throws {
        var values = parsed.options.values
        for (name, value) in values {
            try FuzzFinding.require(
                !value.unicodeScalars.contains { $0.properties.generalCategory == .control },
                "option '\(name)' is accepted with a control character")
            if value == Secret.placeholder { values[name] = nil }
        }
        do {
            let again = try parser.parse(values, asWhole: false).options.values
            try FuzzFinding.require(again == values, "\(values) are accepted, and read as \(again)")
        } catch let error as VolumeError {
            throw FuzzFinding(description: "\(values) are accepted, and then refused: \(error)")
        }
        _ = (parsed.options.size, parsed.options.owner, parsed.options.group, parsed.options.mode)
    }

    /// A password stands in no message and in no option that is kept.
    private static func checkSecrecy(_ given: [String: String], of parser: OptionParser) throws {
        var given = given
        given["o"] = "password=\(password)" + (given["o"].map { ",\($0)" } ?? "")
        do {
            let parsed = try parser.parse(given)
            try FuzzFinding.require(
                !parsed.options.values.values.contains { $0.contains("hunter2") }, "a password is kept as an option")
        } catch {
            try FuzzFinding.require(!"\(error)".contains("hunter2"), "a password is in the message '\(error)'")
        }
    }

    /// The list reads to mount(8) as it does here.
    private static func check(list text: String) throws {
        guard let list = try? MountOptionList(parsing: text) else { return }
        do {
            let again = try MountOptionList(parsing: list.text)
            try FuzzFinding.require(again == list, "'\(list.text)' reads as \(again.items), and is of \(list.items)")
        } catch let error as VolumeError {
            throw FuzzFinding(description: "'\(list.text)' is of \(list.items), and is refused: \(error)")
        }
        let foreign = foreignKeys(list.text)
        let own = list.items.map { Array($0.key.utf8) }
        try FuzzFinding.require(
            foreign == own,
            "in '\(list.text)' mount finds \(foreign.map { String(decoding: $0, as: UTF8.self) }), and we find \(own)")
    }

    /// The keys that util-linux finds, which knows bytes.
    ///
    /// Source: ul_optstr_next in util-linux' lib/optutils.c.
    private static func foreignKeys(_ text: String) -> [[UInt8]] {
        var keys: [[UInt8]] = []
        var item: [UInt8] = []
        var isQuoted = false
        var last: UInt8?
        func end() {
            if !item.isEmpty { keys.append(Array(item.prefix { $0 != UInt8(ascii: "=") })) }
            item = []
        }
        for byte in text.utf8 {
            let isEscaped = last == UInt8(ascii: "\\")
            last = byte
            if byte == UInt8(ascii: "\""), !isEscaped { isQuoted.toggle() }
            if byte == UInt8(ascii: ","), !isEscaped, !isQuoted { end() } else { item.append(byte) }
        }
        end()
        return keys
    }
}
