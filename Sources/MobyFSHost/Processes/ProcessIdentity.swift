// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// A process beyond doubt: process IDs are used again, and after a reboot all of them are.
package struct ProcessIdentity: Hashable, Sendable {
    package let processID: Int32
    /// When the process started, in clock ticks after the boot.
    package let startTime: UInt64
    /// The boot it belongs to.
    package let bootID: String

    package init(processID: Int32, startTime: UInt64, bootID: String) {
        self.processID = processID
        self.startTime = startTime
        self.bootID = bootID
    }

    /// Identifies a process that is running now; nil if there is none.
    ///
    /// - Parameter processID: The kernel's number for it.
    /// - Throws: ``SystemCallError`` if that cannot be seen.
    package init?(processID: Int32) throws {
        guard let startTime = try Self.startTime(of: processID) else { return nil }
        self.init(processID: processID, startTime: startTime, bootID: Self.currentBootID)
    }

    /// A process that was, and of which no more is known: it never counts as running.
    package static func gone(processID: Int32) -> ProcessIdentity {
        ProcessIdentity(processID: processID, startTime: 0, bootID: currentBootID)
    }

    /// Whether the process still runs, as far as can be seen: one that cannot be looked at does.
    package var isAlive: Bool {
        guard bootID == Self.currentBootID, startTime != 0 else { return false }
        do {
            return try Self.startTime(of: processID) == startTime
        } catch {
            return true
        }
    }

    /// The kernel's name for the time since the last boot.
    package static let currentBootID: String = {
        // Without /proc nothing of this works, and an empty name makes every process of an earlier run unknown.
        let bytes = (try? DurableFile.read("/proc/sys/kernel/random/boot_id", limit: 4096)) ?? []
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }()

    /// Field 22 of /proc/PID/stat; the name, field 2, is in brackets and may hold anything.
    private static func startTime(of processID: Int32) throws -> UInt64? {
        let bytes: [UInt8]
        do {
            bytes = try DurableFile.read(FilePath("/proc/\(processID)/stat"), limit: 65536)
        } catch let error as SystemCallError where [.noSuchFileOrDirectory, .noSuchProcess].contains(error.errno) {
            return nil
        }
        guard let bracket = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = bytes[(bracket + 1)...].split(separator: UInt8(ascii: " "))
        // A zombie (state Z) holds nothing any more.
        guard fields.count > 19, fields[0].first != UInt8(ascii: "Z") else { return nil }
        return UInt64(String(decoding: fields[19], as: UTF8.self))
    }
}
