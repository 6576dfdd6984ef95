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
    /// Whether other hosts have the data folder too; nil where its file system says.
    let isShared: Bool?
    /// What to listen on beside sockets that are passed.
    package let listen: [ListenAddress]
    /// The certificates for TCP, if TLS is to be spoken there.
    package let tls: TLSConfiguration?
    /// Further names that engines know the daemon by.
    package let names: [ServedName]
    package let specDirectory: FilePath
    package let logLevel: Logger.Level
    /// Each setting as it was given.
    private let values: [Setting: String]

    /// A value, and where it is from, for messages.
    fileprivate struct Given {
        var value: String
        var origin: String
    }

    /// Adresses that take plain TCP from other hosts.
    var insecure: [ListenAddress] { tls == nil ? listen.filter { !$0.isLocal } : [] }

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
        isShared =
            values[.shared] == "auto"
            ? nil : try read(.shared, "auto, true or false") { $0.isEmpty ? nil : Self.truth($0) }
        let port = try read(.port, "a port: a number up to 65535") {
            Int($0).flatMap { (0...65535).contains($0) ? $0 : nil }
        }
        var listen: [ListenAddress] = []
        for word in (values[.listen] ?? "").split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            listen.append(
                try given[.listen].refining { () throws(ConfigurationError) in try ListenAddress(String(word)) })
        }
        if let port { listen.append(.tcp(host: "127.0.0.1", port: port)) }
        self.listen = listen
        tls = try TLSConfiguration(values.compactMapValues { $0.isEmpty ? nil : $0 })
        let isInsecure = try read(.insecure, "true or false") { Self.truth($0) } ?? false
        if tls == nil, !isInsecure, let open = listen.first(where: { !$0.isLocal }) {
            let certificates: [Setting] = [.tlsCertificate, .tlsKey, .tlsAuthorities]
            throw ConfigurationError(
                "'\(open)' would let anybody who reaches it decide over every volume: give certificates "
                    + "(--tls-cert, --tls-key and --tls-ca, or \(certificates.map(\.rawValue).joined(separator: ", ")); "
                    + "'mobyfs tls create' makes them), or --insecure (\(Setting.insecure.rawValue)=true) if the network "
                    + "itself keeps others out")
        }
        let names = values[.names] ?? ""
        self.names = try given[.names].refining { () throws(ConfigurationError) in try ServedName.parse(names) }
        guard !self.names.contains(where: { $0.name == ServedName.main }) else {
            throw ConfigurationError(
                "'\(ServedName.main)' is the daemon's own name: give others with \(Setting.names.rawValue)")
        }
        logLevel = try read(.logLevel, "one of \(Self.levels)") { Logger.Level(rawValue: $0.lowercased()) } ?? .info
        // Each is bound at the same time as the others: the later would take the socket of the earlier away.
        let sockets = self.names.map { ListenAddress.unix(socket(of: $0)) }
        let addresses = listen.filter { !$0.isAnyPort } + sockets
        guard !addresses.contains(.unix(controlSocket)) else {
            throw ConfigurationError(
                "'\(controlSocket)' is where 'mobyfs volume' and 'mobyfs driver' call the daemon: choose another "
                    + (sockets.contains(.unix(controlSocket)) ? "name" : "address"))
        }
        if let twice = addresses.enumerated().first(where: { addresses[..<$0.offset].contains($0.element) })?.element {
            throw ConfigurationError(
                "'\(twice)' would be served twice: give each address once"
                    + (sockets.contains(twice) ? ", and not that of a name in \(Setting.names.rawValue)" : ""))
        }
    }

    /// Where spec files are, as far as a configuration says so that may make no sense otherwise.
    package static func specDirectory(in sources: Sources) -> FilePath {
        let setting = Setting.specDirectory
        let values = [
            sources.flags[setting], sources.environment[setting.rawValue],
            ConfigurationFile.value(of: setting, in: sources.file ?? defaultFile), setting.defaultValue,
        ]
        // It has a default.
        return values.lazy.compactMap(\.self).compactMap(absolutePath).first ?? "/"
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

    private static func truth(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "yes", "1": true
        case "false", "no", "0", "": false
        default: nil
        }
    }

    private static let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")

    static func absolutePath(_ text: String) -> FilePath? {
        text.utf8.first == UInt8(ascii: "/") ? FilePath(text).lexicallyNormalized() : nil
    }

    /// The directories that are the daemon's own business: no volume is to be in one of them.
    var ownDirectories: [FilePath] { [dataDirectory, runtimeDirectory, specDirectory] }

    /// Where the command line calls the daemon.
    package var controlSocket: FilePath { runtimeDirectory.appending("control.sock") }

    /// Where a further name is served, unless systemd passes a socket for it.
    func socket(of name: ServedName) -> FilePath {
        runtimeDirectory.appending("\(name.fileName).sock")
    }

    /// What has changed since an earlier configuration: `MOBYFS_PORT: not set → 8080 (at the next start)`.
    package func changes(since old: Configuration) -> [String] {
        Setting.allCases.filter { values[$0] != old.values[$0] }.map { setting in
            // Among the options of names there may be passwords.
            guard setting != .names else { return "\(setting.rawValue) (at the next start)" }
            let (before, after) = (old.values[setting] ?? "not set", values[setting] ?? "not set")
            return "\(setting.rawValue): \(before) → \(after)\(setting.isReloadable ? "" : " (at the next start)")"
        }
    }
}

extension Configuration.Given? {
    /// Runs a parser, and adds to its complaint where the value is from.
    fileprivate func refining<Value>(
        _ parse: () throws(ConfigurationError) -> Value
    ) throws(ConfigurationError) -> Value {
        do {
            return try parse()
        } catch {
            throw ConfigurationError("\(error) (\(self?.origin ?? "default"))")
        }
    }
}
