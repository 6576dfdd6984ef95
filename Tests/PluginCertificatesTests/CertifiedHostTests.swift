// SPDX-License-Identifier: Apache-2.0

import PluginCertificates
import Testing

@Suite struct CertifiedHostTests {
    @Test(arguments: [
        ("nas", "nas"), ("NAS.Example.", "nas.example"), ("mobyfs_1.backend", "mobyfs_1.backend"),
        ("*.example.org", "*.example.org"), ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("3com.example", "3com.example"),
        ("192.0.2.7", "192.0.2.7"), ("::1", "::1"), ("2001:DB8:0::7", "2001:db8::7"), ("::ffff:192.0.2.7", "192.0.2.7"),
    ])
    func takesNamesAndAddresses(given: String, taken: String) throws {
        #expect(try CertifiedHost(given).description == taken)
    }

    /// The message names what was given and, where there is one, what was meant.
    @Test(arguments: Self.mistakes)
    func refusesWhatIsNoHost(given: String, saying: String) throws {
        let error = try #require(throws: CertifiedHostError.self) { try CertifiedHost(given) }
        #expect(error.description.contains(saying), "\(error)")
        #expect(error.host == given)
        #expect(!error.description.unicodeScalars.contains { $0.properties.generalCategory == .control })
    }

    private static let mistakes: [(String, String)] = [
        ("", "is empty"), ("nas example", "--host once for each"), ("nas,web", "--host once for each"),
        ("nas\n", "--host once for each"), ("https://nas:8443/x", "'nas'"), ("tcp://[::1]:8443", "'::1'"),
        ("nas:8443", "'nas'"), ("192.0.2.7:8443", "'192.0.2.7'"), ("[2001:db8::7]", "'2001:db8::7'"),
        ("[2001:db8::7]:8443", "'2001:db8::7'"), ("192.0.2.0/24", "'192.0.2.0'"), ("fe80::1%eth0", "interface"),
        ("1:2:3", "IPv6"), ("0.0.0.0", "not where engines connect to"), ("::", "not where engines connect to"),
        ("*", "too much"), ("*.example", "too much"), ("a.*.example", "elsewhere"), ("*a.example.org", "elsewhere"),
        ("bücher.example", "xn--"), ("a..b", "empty part"), (".a", "empty part"), ("-a.example", "'-'"),
        ("a-.example", "'-'"), ("user@nas", "letters"), ("a\u{7}b", "letters"), ("$(reboot)", "letters"),
        ("256.1.1.1", "IPv4"), ("010.0.0.1", "IPv4"), ("1234", "IPv4"), (String(repeating: "a", count: 64), "63"),
        (String(repeating: "abcdefg.", count: 40) + "de", "253"),
    ]

    @Test func bracketsAddressesInURLs() throws {
        #expect(try CertifiedHost("::1").urlText == "[::1]")
        #expect(try CertifiedHost("nas").urlText == "nas")
    }
}
