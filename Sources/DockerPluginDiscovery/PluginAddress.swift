// SPDX-License-Identifier: Apache-2.0

/// Where a plugin listens, read from a URL as an engine reads it.
///
/// Engines take `unix:///run/x.sock`, `tcp://host:port` and `https://host:port`, and accept much else that then
/// does not do what was meant; ``remarks`` say where that is so. Source: `newTransport` in moby's
/// `pkg/plugins/client.go`.
public struct PluginAddress: Hashable, Sendable {
    /// How a connection is made.
    public enum Transport: Hashable, Sendable {
        /// A unix socket.
        case unix(path: String)
        /// Plain HTTP.
        case tcp(host: String, port: Int)
        /// HTTP over TLS.
        case tls(host: String, port: Int)
    }

    /// The URL as it was given.
    public let text: String
    /// How an engine connects.
    public let transport: Transport
    /// What an engine makes of it that its author may not have meant, in sentences for people.
    public let remarks: [String]

    /// Reads an address.
    ///
    /// - Parameter text: A URL.
    /// - Throws: ``PluginAddressError`` where an engine would refuse it, too, or could never connect.
    public init(_ text: String) throws(PluginAddressError) {
        let url = try PluginURL(text)
        self.text = text
        var remarks: [String] = []
        if url.scheme == "unix" {
            // Go takes what is between the second and the third slash for a host, and the engine that for the path.
            guard url.host.isEmpty else {
                throw PluginAddressError(
                    "'\(text)' has two slashes where three are needed: engines look for a socket named "
                        + "'\(url.host)' in their working directory; write unix:///ABSOLUTE/PATH")
            }
            guard url.path.hasPrefix("/") else {
                throw PluginAddressError("'\(text)' has no absolute path: write unix:///ABSOLUTE/PATH")
            }
            guard url.path.utf8.count < 108 else {
                throw PluginAddressError(
                    "the path in '\(text)' is \(url.path.utf8.count) bytes long: a unix socket's may have 107")
            }
            transport = .unix(path: url.path)
        } else {
            guard !url.hostName.isEmpty else {
                throw PluginAddressError(
                    "'\(text)' has no host: engines take '\(url.scheme)' for the scheme; write tcp://HOST:PORT")
            }
            let isTLS = url.scheme == "https"
            if !["tcp", "http", "https"].contains(url.scheme) {
                remarks.append("engines do not know the scheme '\(url.scheme)' and speak plain HTTP; write tcp://")
            }
            if url.port == nil {
                remarks.append("no port is given: engines take \(isTLS ? 443 : 80)")
            }
            if !url.path.isEmpty, url.path != "/" {
                remarks.append("engines drop the path '\(url.path)': calls go to /Plugin.Activate and so on")
            }
            let port = url.port ?? (isTLS ? 443 : 80)
            transport = isTLS ? .tls(host: url.hostName, port: port) : .tcp(host: url.hostName, port: port)
        }
        self.remarks = remarks
    }

    /// The address of a unix socket.
    ///
    /// - Parameter path: An absolute path.
    public init(socket path: String) {
        text = "unix://\(path)"
        transport = .unix(path: path)
        remarks = []
    }
}

extension PluginAddress: CustomStringConvertible {
    /// The URL as it was given.
    public var description: String { text }
}

/// An address that no engine can connect to.
public struct PluginAddressError: Error, Hashable, CustomStringConvertible {
    /// What is wrong and what to write instead.
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// The parts of a URL that engines use, split as Go's `url.Parse` splits them.
struct PluginURL: Hashable, Sendable {
    let scheme: String
    /// The authority without user information: `host:port`.
    let host: String
    let hostName: String
    let port: Int?
    let path: String

    init(_ text: String) throws(PluginAddressError) {
        let hint = "write unix:///ABSOLUTE/PATH, tcp://HOST:PORT or https://HOST:PORT"
        guard !text.isEmpty else { throw PluginAddressError("the address is empty: \(hint)") }
        guard text.unicodeScalars.first != "\u{FEFF}" else {
            throw PluginAddressError("a byte order mark stands before the address: save the file without one")
        }
        guard !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else {
            throw PluginAddressError(
                "'\(text.split(whereSeparator: \.isNewline).first ?? "")' is followed by another line or has a "
                    + "control character in it: engines take one line; \(hint)")
        }
        guard let colon = text.firstIndex(of: ":"), Self.isScheme(text[..<colon]) else {
            throw PluginAddressError("'\(text)' has no scheme, an unknown protocol to engines: \(hint)")
        }
        scheme = text[..<colon].lowercased()
        var rest = text[text.index(after: colon)...].prefix { $0 != "#" && $0 != "?" }
        if rest.hasPrefix("//") {
            rest = rest.dropFirst(2)
            let authority = rest.prefix { $0 != "/" }
            rest = rest.dropFirst(authority.count)
            host = String(authority.split(separator: "@", omittingEmptySubsequences: false).last ?? "")
            if let character = host.first(where: { " \\^`{|}%".contains($0) }) {
                throw PluginAddressError("'\(text)' has '\(character)' in its host, as no host does: \(hint)")
            }
            path = try Self.path(rest, in: text)
        } else {
            host = ""
            // `localhost:8080`: what does not begin with a slash is opaque to Go, and no path.
            path = rest.hasPrefix("/") ? try Self.path(rest, in: text) : ""
        }
        (hostName, port) = try Self.split(host, in: text)
    }

    private static func path(_ rest: Substring, in text: String) throws(PluginAddressError) -> String {
        guard let path = rest.removingPercentEscapes else {
            throw PluginAddressError(
                "'\(text)' has a '%' that two hexadecimal digits do not follow: engines refuse it; write %25")
        }
        return path
    }

    private static func isScheme(_ text: Substring) -> Bool {
        guard let first = text.first, first.isASCII, first.isLetter else { return false }
        return text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) }
    }

    private static func split(
        _ host: String, in text: String
    ) throws(PluginAddressError) -> (name: String, port: Int?) {
        let bracket = host.hasPrefix("[") ? host.lastIndex(of: "]") : nil
        if host.hasPrefix("["), bracket == nil {
            throw PluginAddressError("'\(text)' has a '[' without a ']'")
        }
        let tail = bracket.map { host[host.index(after: $0)...] } ?? host[...]
        let colon = tail.lastIndex(of: ":")
        let name =
            bracket.map { String(host[host.index(after: host.startIndex)..<$0]) }
            ?? String(host[..<(colon ?? host.endIndex)])
        guard let colon else { return (name, nil) }
        let digits = tail[tail.index(after: colon)...]
        if digits.isEmpty { return (name, nil) }
        guard let port = UInt16(digits) else {
            throw PluginAddressError("'\(digits)' in '\(text)' is not a port: a number up to 65535")
        }
        return (name, Int(port))
    }
}

extension Substring {
    fileprivate var removingPercentEscapes: String? {
        var bytes: [UInt8] = []
        var rest = utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = Substring(rest.prefix(2))
            guard digits.utf8.count == 2, digits.allSatisfy(\.isHexDigit), let escaped = UInt8(digits, radix: 16) else {
                return nil
            }
            bytes.append(escaped)
            rest = rest.dropFirst(2)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
