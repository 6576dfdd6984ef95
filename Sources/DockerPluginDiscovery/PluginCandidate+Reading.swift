// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Glibc

extension PluginCandidate {
    /// Reads the file, unless engines pass over it.
    init(path: String, form: Form, verdict: Verdict, name: String) {
        self.path = path
        self.form = form
        self.verdict = verdict
        guard verdict == .taken || verdict == .shadowed else {
            (endpoint, problem, remarks) = (nil, nil, [])
            return
        }
        do {
            let reading =
                switch form {
                case .socket: try SpecReading(socket: path)
                case .spec: try SpecReading(spec: SpecReading.content(of: path))
                case .json: try SpecReading(json: SpecReading.content(of: path), name: name)
                }
            (endpoint, problem, remarks) = (reading.endpoint, nil, reading.remarks)
        } catch {
            (endpoint, problem, remarks) = (nil, "\(error)", [])
        }
    }
}

/// What an engine takes from a spec file.
struct SpecReading {
    var endpoint: PluginEndpoint
    var remarks: [String]

    /// The content of a spec file.
    ///
    /// - Throws: ``RegularFileError``.
    static func content(of path: String) throws -> [UInt8] {
        if DirectoryEntry.kind(of: path, followingLinks: true) == S_IFIFO {
            throw RegularFileError(path, "is a FIFO, at which engines wait for ever: remove it")
        }
        return try RegularFile.read(path, limit: 1 << 20)
    }

    /// Reads the path of a socket, which engines write into a URL.
    init(socket path: String) throws {
        let address = try PluginAddress("unix://\(path)")
        guard address.transport == .unix(path: path) else {
            throw PluginAddressError("the name has a character that means something in a URL: engines look elsewhere")
        }
        self.init(endpoint: PluginEndpoint(address), remarks: address.remarks)
    }

    /// Reads a `.spec`.
    init(spec content: [UInt8]) throws {
        let text = String(decoding: content, as: UTF8.self)
        let address = try PluginAddress(text.trimmedAsInGo)
        self.init(endpoint: PluginEndpoint(address), remarks: address.remarks + address.dangers)
        guard case .tls = address.transport else { return }
        endpoint.tls = SpecTLS()
        remarks.append(
            "a .spec has no room for certificates: engines believe whoever answers at this address; write a .json "
                + "with a TLSConfig")
    }

    private init(endpoint: PluginEndpoint, remarks: [String]) {
        self.endpoint = endpoint
        self.remarks = remarks
    }
}

// MARK: - JSON

extension SpecReading {
    /// Reads a `.json`.
    ///
    /// - Parameters:
    ///   - content: What is in the file.
    ///   - name: The plugin's name, by the file's.
    /// - Throws: ``SpecContentError``, ``PluginAddressError``.
    init(json content: [UInt8], name: String) throws {
        let value = try Self.parse(content)
        guard case .object(let members) = value else {
            throw SpecContentError("the file is no JSON object: write {\"Addr\": \"unix:///ABSOLUTE/PATH\"}")
        }
        guard let text = try value.text("Addr") else {
            throw SpecContentError("Addr is missing: write {\"Addr\": \"unix:///ABSOLUTE/PATH\"}")
        }
        if text != text.trimmedAsInGo {
            throw SpecContentError("Addr has white space at an end, which engines take for part of it: remove it")
        }
        let address = try PluginAddress(text)
        self.init(endpoint: PluginEndpoint(address), remarks: address.remarks + address.dangers)
        if let said = value["Name"]?.string, said != name {
            remarks.append("Name says '\(said)', which engines ignore: the plugin goes by the name of the file")
        }
        remarks += Self.remarks(on: members.keys, known: ["Name", "Addr", "TLSConfig"], of: "the file")
        if Self.hasMore(content) { remarks.append("engines ignore what follows the first JSON value") }
        if let tls = value["TLSConfig"], tls != .null {
            try read(tls)
        } else if case .tls = address.transport {
            remarks.append("no TLSConfig: engines check the plugin's certificate against the system's authorities")
        }
    }

    private mutating func read(_ value: JSONValue) throws {
        guard case .object(let members) = value else { throw SpecContentError("TLSConfig is no JSON object") }
        let tls = SpecTLS(
            caFile: try value.text("CAFile") ?? "", certFile: try value.text("CertFile") ?? "",
            keyFile: try value.text("KeyFile") ?? "", insecureSkipVerify: try value.flag("InsecureSkipVerify") ?? false)
        endpoint.tls = tls
        for key in ["ClientAuth", "MinVersion"] {
            if let value = value[key], value != .null, !value.isWhole {
                throw SpecContentError("\(key) is no whole number: engines refuse the file")
            }
        }
        _ = (try value.flag("ExclusiveRootPools"), try value.text("Passphrase"))
        // Whatever the scheme, engines read these files first.
        _ = try tls.load()
        let known = [
            "CAFile", "CertFile", "KeyFile", "InsecureSkipVerify", "ClientAuth", "RootCAs", "ExclusiveRootPools",
            "MinVersion", "Passphrase",
        ]
        remarks += Self.remarks(on: members.keys, known: known, of: "TLSConfig")
        guard case .tls = endpoint.address.transport else {
            remarks.append("TLSConfig is no use here: engines speak TLS only where the address begins with https://")
            return
        }
        if tls.caFile.isEmpty {
            remarks.append("TLSConfig has no CAFile: engines believe whoever answers, whatever InsecureSkipVerify says")
        } else if tls.insecureSkipVerify {
            remarks.append("with InsecureSkipVerify engines believe whoever answers: CAFile is no use")
        }
        for file in [tls.caFile, tls.certFile, tls.keyFile] where !file.isEmpty && !file.hasPrefix("/") {
            remarks.append("'\(file)' is looked for in the engine's working directory: write an absolute path")
        }
    }

    private static func parse(_ content: [UInt8]) throws(SpecContentError) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue(parsing: content, ignoresRest: true)
        } catch {
            throw SpecContentError(
                content.allSatisfy { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
                    ? "the file is empty: write {\"Addr\": \"unix:///ABSOLUTE/PATH\"}"
                    : "\(error); there are no comments and no trailing commas in JSON")
        }
    }

    private static func hasMore(_ content: [UInt8]) -> Bool {
        // The first value has been read already, so what fails is what follows it.
        (try? JSONValue(parsing: content)) == nil
    }

    private static func remarks(on keys: some Sequence<String>, known: [String], of place: String) -> [String] {
        keys.sorted().filter { key in !known.contains { $0.lowercased() == key.lowercased() } }
            .map { "engines ignore the key '\($0)' of \(place)" }
    }
}

extension JSONValue {
    fileprivate var isWhole: Bool {
        if case .integer = self { true } else { false }
    }

    fileprivate func text(_ key: String) throws(SpecContentError) -> String? {
        guard let value = self[key], value != .null else { return nil }
        guard let text = value.string else { throw SpecContentError("\(key) is no text: engines refuse the file") }
        return text
    }

    fileprivate func flag(_ key: String) throws(SpecContentError) -> Bool? {
        switch self[key] {
        case nil, .null?: return nil
        case .bool(let flag)?: return flag
        default: throw SpecContentError("\(key) is neither true nor false: engines refuse the file")
        }
    }
}

/// What is wrong with the content of a spec file.
struct SpecContentError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

extension String {
    /// As Go's `strings.TrimSpace` leaves it.
    fileprivate var trimmedAsInGo: String {
        func isSpace(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.isWhitespace }
        return String(
            String.UnicodeScalarView(unicodeScalars.drop(while: isSpace).reversed().drop(while: isSpace).reversed()))
    }
}

extension PluginAddress {
    /// What somebody should know before sending calls there.
    fileprivate var dangers: [String] {
        guard case .tcp(let host, _) = transport, !["localhost", "::1"].contains(host), !host.hasPrefix("127.") else {
            return []
        }
        return ["calls go to '\(host)' unprotected: whoever is on the way can read and change them; use https://"]
    }
}
