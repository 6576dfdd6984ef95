// SPDX-License-Identifier: Apache-2.0

package import Logging
import MobyFSVolumes
package import SystemPackage

/// How the daemon is to run.
///
/// Flags count before the environment, that before the file, that before defaults.
package struct Configuration: Hashable, Sendable {
    package static let defaultFile: FilePath = "/etc/mobyfs/mobyfs.env"

    package let dataDirectory: FilePath
    package let runtimeDirectory: FilePath
    /// The unix socket to bind where none is passed; nil for the default, unless only TCP is wanted.
    package let socket: FilePath?
    /// The port of the loopback interface to serve, if any; 0 lets the kernel choose.
    package let port: Int?
    package let specDirectory: FilePath
    package let logLevel: Logger.Level
    /// Each setting as it was given.
    private let values: [Setting: String]

    /// A value, and where it is from, for messages.
    private struct Given {
        var value: String
        var origin: String
    }

    /// Where a configuration comes from; kept to be read again on a reload.
    package struct Sources: Sendable {
        package var flags: [Setting: String]
        package var environment: [String: String]
        /// Nil for ``defaultFile``, which need not be there.
        package var file: FilePath?

        package init(flags: [Setting: String], environment: [String: String], file: FilePath?) {
            self.flags = flags
            self.environment = environment
            self.file = file
        }
    }

    /// Reads a configuration.
    ///
    /// - Throws: ``ConfigurationError`` naming the setting, the value and what it takes.
    package init(from sources: Sources) throws {
        let path = sources.file ?? Self.defaultFile
        let file = try ConfigurationFile.read(path, isOptional: sources.file == nil)
        var given: [Setting: Given] = [:]
        for (values, origin) in [
            (file, path.string), (try Self.settings(in: sources.environment), "environment"),
            (sources.flags, "command line"),
        ] {
            for (setting, value) in values { given[setting] = Given(value: value, origin: origin) }
        }
        for setting in Setting.allCases where given[setting] == nil {
            given[setting] = setting.defaultValue.map { Given(value: $0, origin: "default") }
        }
        values = given.mapValues(\.value)

        func read<Value>(_ setting: Setting, _ wanted: String, _ parse: (String) -> Value?) throws -> Value? {
            guard let given = given[setting] else { return nil }
            if let value = parse(given.value) { return value }
            throw ConfigurationError("\(setting.rawValue)='\(given.value)' (\(given.origin)) is not \(wanted)")
        }
        func directory(_ setting: Setting) throws -> FilePath {
            // Settings of directories have defaults.
            try read(setting, "an absolute path", Self.absolutePath) ?? "/"
        }
        dataDirectory = try directory(.dataDirectory)
        runtimeDirectory = try directory(.runtimeDirectory)
        specDirectory = try directory(.specDirectory)
        guard dataDirectory != runtimeDirectory else {
            throw ConfigurationError(
                "\(Setting.runtimeDirectory.rawValue)='\(runtimeDirectory)' is the data folder too: choose another")
        }
        socket = try read(.socket, "an absolute path", Self.absolutePath)
        port = try read(.port, "a port: a number up to 65535") {
            Int($0).flatMap { (0...65535).contains($0) ? $0 : nil }
        }
        logLevel = try read(.logLevel, "one of \(Self.levels)") { Logger.Level(rawValue: $0.lowercased()) } ?? .info
    }

    private static func settings(in environment: [String: String]) throws -> [Setting: String] {
        var values: [Setting: String] = [:]
        for (name, value) in environment where name.hasPrefix(Setting.prefix) {
            guard let setting = Setting(rawValue: name) else {
                throw ConfigurationError(
                    "environment: " + Suggestion.complaint("setting", name, known: Setting.allCases.map(\.rawValue)))
            }
            values[setting] = value
        }
        return values
    }

    private static let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")

    private static func absolutePath(_ text: String) -> FilePath? {
        text.utf8.first == UInt8(ascii: "/") ? FilePath(text).lexicallyNormalized() : nil
    }

    /// The directories that are the daemon's own business: no volume is to be in one of them.
    var ownDirectories: [FilePath] { [dataDirectory, runtimeDirectory, specDirectory] }

    /// What has changed since an earlier configuration: `MOBYFS_PORT: not set → 8080 (at the next start)`.
    package func changes(since old: Configuration) -> [String] {
        Setting.allCases.filter { values[$0] != old.values[$0] }.map { setting in
            let (before, after) = (old.values[setting] ?? "not set", values[setting] ?? "not set")
            return "\(setting.rawValue): \(before) → \(after)\(setting.isReloadable ? "" : " (at the next start)")"
        }
    }
}
