// SPDX-License-Identifier: Apache-2.0

/// The name of a plugin as a registry or an engine has it: `localhost:5000/mobyfs:1.0@sha256:…`.
struct PluginReference: Hashable, Sendable {
    private let text: String

    init(_ text: String) {
        self.text = text
    }

    /// Throws unless an engine can take this for a name, so that it means nothing else in a URL.
    func validate() throws(PluginClientError) {
        let isMade = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): true
            default: "._-/:@[]".utf8.contains(byte)
            }
        }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard isMade, text.utf8.count <= 512, !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) else {
            throw PluginClientError(
                .misconfigured, "'\(text.shown)' is no name of a plugin: write [HOST[:PORT]/]PATH[:TAG]")
        }
    }

    /// The name that the plugin gets on an engine: without the digest.
    var withoutDigest: String {
        String(text.prefix { $0 != "@" })
    }

    /// With the tag that is meant where none is given, and without the registry and the folder that are.
    var tagged: String {
        var name = withoutDigest
        for prefix in ["docker.io/", "library/"] where name.hasPrefix(prefix) { name.removeFirst(prefix.count) }
        let last = name.split(separator: "/").last ?? ""
        return last.contains(":") ? name : "\(name):latest"
    }
}
