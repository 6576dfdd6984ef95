// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery
import Testing

/// Addresses, read as Go and the engine read them.
@Suite struct PluginAddressTests {
    @Test(arguments: [
        ("unix:///run/x.sock", PluginAddress.Transport.unix(path: "/run/x.sock")),
        ("unix:/run/x.sock", .unix(path: "/run/x.sock")), ("UNIX:///run/x.sock", .unix(path: "/run/x.sock")),
        ("unix:///run/a%20b.sock", .unix(path: "/run/a b.sock")),
        ("unix:///run/x.sock?a#b", .unix(path: "/run/x.sock")),
        ("tcp://nas.example:8080", .tcp(host: "nas.example", port: 8080)),
        ("http://[::1]:8080", .tcp(host: "::1", port: 8080)), ("tcp://user@h:1", .tcp(host: "h", port: 1)),
        ("https://nas.example:8443", .tls(host: "nas.example", port: 8443)),
    ])
    func readsAddresses(text: String, transport: PluginAddress.Transport) throws {
        let address = try PluginAddress(text)
        #expect(address.transport == transport)
        #expect(address.remarks.isEmpty)
        #expect("\(address)" == text)
    }

    @Test(arguments: [
        ("", "the address is empty"), ("/run/x.sock", "has no scheme"), ("127.0.0.1:8080", "has no scheme"),
        ("localhost:8080", "engines take 'localhost' for the scheme; write tcp://HOST:PORT"),
        ("unix://run/x.sock", "two slashes where three are needed"), ("unix://", "no absolute path"),
        ("unix:x.sock", "no absolute path"), ("tcp://:8080", "has no host"), ("tcp://h:99999", "is not a port"),
        ("tcp://h:http", "is not a port"), ("tcp://[::1", "without a ']'"), ("tcp://a b:1", "' ' in its host"),
        ("unix:///a\nunix:///b", "'unix:///a' is followed by another line"), ("unix:///a%zz", "write %25"),
        ("unix:///a%+1", "write %25"), ("\u{FEFF}unix:///a", "byte order mark"),
        ("unix:///\(String(repeating: "x", count: 107))", "108 bytes long: a unix socket's may have 107"),
    ])
    func saysWhatToWriteInstead(text: String, complaint: String) {
        let error = #expect(throws: PluginAddressError.self) { try PluginAddress(text) }
        #expect(error?.description.contains(complaint) == true, "\(error as Any)")
    }

    @Test(arguments: [
        ("http://h:1/prefix", "engines drop the path '/prefix'"), ("tcp://h", "engines take 80"),
        ("https://h", "engines take 443"), ("tls://h:1", "do not know the scheme 'tls' and speak plain HTTP"),
    ])
    func remarksOnWhatWasMeantOtherwise(text: String, remark: String) throws {
        let address = try PluginAddress(text)
        #expect(address.remarks.contains { $0.contains(remark) }, "\(address.remarks)")
    }
}
