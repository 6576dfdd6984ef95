// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage

/// Finds out from the kernel which processes have a directory mounted.
package enum MountNamespaces {
    /// A process in whose mount namespace a directory is mounted.
    package struct User: Hashable, Sendable {
        package let processID: Int32
        /// The process's name, as in `ps`.
        package let processName: String
        package let mountpoint: FilePath
        /// Whether the mount is the host's own, and not one that only some processes see.
        package let isHost: Bool
    }

    /// What a look at all processes gave.
    package struct Survey: Sendable {
        /// One user of each directory that has any.
        package var users: [FilePath: User] = [:]
        /// Whether every process could be looked at; else a directory without a user may have one all the same.
        package var isComplete = true
    }

    /// Looks through the mount tables of all processes, each namespace once.
    ///
    /// A mount that has a directory where the host has it anyway is no use of it.
    ///
    /// - Parameters:
    ///   - directories: Directories of this host. One that is not there has no users.
    ///   - areMounted: Whether they are where something was mounted, with no symbolic link on the way. They are not
    ///     touched then, as what is mounted may hang.
    ///   - isHostIgnored: Whether it is no matter what else the host has mounted.
    /// - Returns: Who has which of them mounted.
    /// - Throws: ``SystemCallError`` if /proc cannot be read at all.
    package static func survey(
        _ directories: [FilePath], areMounted: Bool = false, ignoringHost isHostIgnored: Bool = false
    ) throws -> Survey {
        var survey = Survey()
        let own = try MountTable()
        // A directory that cannot be looked at (its disk is gone) might still be mounted somewhere.
        var locations: [(directory: FilePath, location: MountLocation)] = []
        for directory in directories {
            do {
                if areMounted {
                    guard let location = MountLocation(ofMounted: directory, in: own) else { continue }
                    locations.append((directory, location))
                } else {
                    locations.append((directory, try MountLocation(of: directory, in: own)))
                }
            } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
                continue
            } catch {
                survey.isComplete = false
            }
        }
        guard !locations.isEmpty else { return survey }
        let devices = Set(locations.map(\.location.covering.device))
        let hostRoot = own.rootDevice
        try eachNamespace(MountSelection(devices: devices), own, &survey) { process, table, users in
            let isHostLike = table.rootDevice == hostRoot
            for (directory, location) in locations where users[directory] == nil {
                let use = table.entries.first { entry in
                    // The file system's own mount, or the sandbox of some service of the host.
                    location.isShown(by: entry) && !(isHostLike && (isHostIgnored || location.isInPlace(entry)))
                }
                users[directory] = use.flatMap { User(process, at: $0.mountpoint) }
            }
        }
        return survey
    }

    /// Looks through the mount tables of all processes for a file system that has no mount where it belongs.
    ///
    /// - Parameters:
    ///   - source: What its mounts have in common.
    ///   - place: Where it belongs.
    /// - Returns: Who has it mounted, under `place`.
    /// - Throws: ``SystemCallError`` if /proc cannot be read at all.
    package static func survey(_ source: MountSelection, missingAt place: FilePath) throws -> Survey {
        try survey(of: place, onlyOf: source) { source.contains($0) }
    }

    /// Looks through the mount tables of all processes for a directory that is gone: deleted, or with its file system.
    ///
    /// Which file system that was is not known any more, nor where on it the directory was. So any mount counts that has
    /// the last two components of its path in its own.
    ///
    /// - Parameter directory: Where it was.
    /// - Returns: Who has it mounted.
    /// - Throws: ``SystemCallError`` if /proc cannot be read at all.
    package static func survey(formerly directory: FilePath) throws -> Survey {
        try survey(of: directory, onlyOf: nil) { $0.root.hasEnd(of: directory) }
    }

    /// Looks for mounts that are uses of one thing, which is called `subject` in what is returned.
    private static func survey(
        of subject: FilePath, onlyOf wanted: MountSelection?, where isUse: (MountEntry) -> Bool
    ) throws -> Survey {
        var survey = Survey()
        try eachNamespace(wanted, try MountTable(), &survey) { process, table, users in
            guard users[subject] == nil else { return }
            users[subject] = table.entries.first(where: isUse).flatMap { User(process, at: $0.mountpoint) }
        }
        return survey
    }

    /// Calls `look` with a process of each mount namespace and the mounts in it that matter, if not all.
    private static func eachNamespace(
        _ wanted: MountSelection?, _ own: MountTable, _ survey: inout Survey,
        _ look: (_ process: String, _ table: MountTable, _ users: inout [FilePath: User]) -> Void
    ) throws {
        var seen: Set<String> = []
        let ownNamespace = namespace(of: "self")
        for processID in try ProcessList.programs() {
            let process = "\(processID)"
            let namespace = namespace(of: process)
            if let namespace, !seen.insert(namespace).inserted { continue }
            do {
                let isOwn = namespace != nil && namespace == ownNamespace
                guard let table = try isOwn ? own : table(of: process, onlyOf: wanted) else { continue }
                look(process, table, &survey.users)
            } catch is SystemCallError {
                survey.isComplete = false
            }
        }
    }

    /// What a process sees; nil if it has ended.
    private static func table(of process: String, onlyOf wanted: MountSelection?) throws -> MountTable? {
        if let table = try unlessGone({ try MountTable(ofProcess: process, onlyOf: wanted) }) { return table }
        // Its first thread may have ended before the others, and shows nothing since.
        let threads = try unlessGone { try Directories.entries(of: FilePath("/proc/\(process)/task")) } ?? []
        for thread in threads where thread != process {
            let table = try unlessGone {
                try MountTable(ofProcess: "\(process)/task/\(thread)", onlyOf: wanted)
            }
            if let table { return table }
        }
        return nil
    }

    private static func unlessGone<Result>(_ body: () throws -> Result) throws -> Result? {
        do {
            return try body()
        } catch let error as SystemCallError
            where [.noSuchFileOrDirectory, .noSuchProcess, .invalidArgument].contains(error.errno)
        {
            // One that has ended in the meantime shows as one of these.
            return nil
        }
    }

    /// Whether this process has the mount namespace of the first process of this host, or of the container that is used
    /// as one; nil if that may not be seen.
    package static var isThatOfTheHost: Bool? {
        guard let own = namespace(of: "self"), let first = namespace(of: "1") else { return nil }
        return own == first
    }

    /// The identity of a process's mount namespace, or nil if that may not be read.
    fileprivate static func namespace(of process: String) -> String? {
        Files.target(ofLink: "/proc/\(process)/ns/mnt")
    }
}

extension MountNamespaces.User {
    fileprivate init?(_ process: String, at mountpoint: FilePath) {
        guard let processID = Int32(process) else { return nil }
        let namespace = MountNamespaces.namespace(of: process)
        // Which one the first has need not be seen.
        let isHost =
            processID == 1
            || namespace != nil && ["self", "1"].contains { MountNamespaces.namespace(of: $0) == namespace }
        self.init(
            processID: processID, processName: ProcessAtWork.name(ofProcess: process), mountpoint: mountpoint,
            isHost: isHost)
    }
}

extension MountTable {
    fileprivate var rootDevice: String? {
        entries.last { $0.mountpoint.isRoot }?.device
    }
}
