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
        var values: [Setting: String] = [:]
        for setting in Setting.allCases { values[setting] = setting.defaultValue }
        let file = try ConfigurationFile.read(
            sources.file ?? Self.defaultFile, isOptional: sources.file == nil)
        values.merge(file) { $1 }
        values.merge(try Self.settings(in: sources.environment)) { $1 }
        values.merge(sources.flags) { $1 }
        self.values = values

        dataDirectory = try Self.path(.dataDirectory, values)
        runtimeDirectory = try Self.path(.runtimeDirectory, values)
        specDirectory = try Self.path(.specDirectory, values)
        socket = values[.socket] == nil ? nil : try Self.path(.socket, values)
        port = try Self.port(values)
        logLevel = try Self.logLevel(values)
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

    private static func path(_ setting: Setting, _ values: [Setting: String]) throws -> FilePath {
        let text = values[setting] ?? ""
        guard text.utf8.first == UInt8(ascii: "/") else {
            throw ConfigurationError("\(setting.rawValue)='\(text)' is not an absolute path")
        }
        return FilePath(text).lexicallyNormalized()
    }

    private static func port(_ values: [Setting: String]) throws -> Int? {
        guard let text = values[.port] else { return nil }
        guard let port = Int(text), (0...65535).contains(port) else {
            throw ConfigurationError("\(Setting.port.rawValue)='\(text)' is not a port: a number up to 65535")
        }
        return port
    }

    private static func logLevel(_ values: [Setting: String]) throws -> Logger.Level {
        let text = values[.logLevel] ?? ""
        guard let level = Logger.Level(rawValue: text.lowercased()) else {
            throw ConfigurationError(
                "\(Setting.logLevel.rawValue): "
                    + Suggestion.complaint("level", text, known: Logger.Level.allCases.map(\.rawValue)))
        }
        return level
    }

    /// What has changed since an earlier configuration: `MOBYFS_PORT: not set → 8080 (at the next start)`.
    package func changes(since old: Configuration) -> [String] {
        Setting.allCases.filter { values[$0] != old.values[$0] }.map { setting in
            let (before, after) = (old.values[setting] ?? "not set", values[setting] ?? "not set")
            return "\(setting.rawValue): \(before) → \(after)\(setting.isReloadable ? "" : " (at the next start)")"
        }
    }
}
