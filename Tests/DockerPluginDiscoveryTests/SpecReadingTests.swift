// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery
import MobyFSTesting
import SystemPackage
import Testing

/// Spec files, read as engines read them.
@Suite struct SpecReadingTests {
    private func read(_ file: String, _ text: String) async throws -> PluginCandidate {
        var taken: PluginCandidate?
        try await withFolders { folders in
            try folders.put([file], saying: text)
            taken = try folders.discovery.lookUp("x").taken
        }
        return try #require(taken)
    }

    @Test(arguments: ["unix:///run/x.sock", "unix:///run/x.sock\n", "\n\t unix:///run/x.sock \r\n\n"])
    func trimsASpec(text: String) async throws {
        let candidate = try await read("etc/x.spec", text)
        #expect(candidate.endpoint?.address.transport == .unix(path: "/run/x.sock"))
        #expect(candidate.remarks.isEmpty)
    }

    @Test(arguments: [
        ("", "the address is empty"), ("unix:///a.sock\nunix:///b.sock\n", "followed by another line"),
        ("/run/x.sock", "has no scheme"), ("localhost:8080", "engines take 'localhost' for the scheme"),
        ("unix://run/x.sock", "three are needed"), ("\u{FEFF}unix:///x", "byte order mark"),
    ])
    func saysWhatIsWrongWithASpec(text: String, problem: String) async throws {
        let candidate = try await read("etc/x.spec", text)
        #expect(candidate.endpoint == nil)
        #expect(candidate.problem?.contains(problem) == true, "\(candidate)")
    }

    @Test func tellsThatASpecHasNoRoomForCertificates() async throws {
        let candidate = try await read("etc/x.spec", "https://nas.example:8443")
        #expect(candidate.endpoint?.tls?.verifies == false)
        #expect(candidate.remarks.contains { $0.contains("engines believe whoever answers") })
        let plain = try await read("etc/x.spec", "tcp://nas.example:8443/v1")
        #expect(plain.remarks.contains { $0.contains("calls go to 'nas.example' unprotected") })
        #expect(plain.remarks.contains { $0.contains("engines drop the path '/v1'") })
    }

    @Test(arguments: [
        #"{"Addr":"unix:///run/x.sock"}"#, #"{"addr":"unix:///run/x.sock","Name":"x","TLSConfig":null}"#,
        "{\"ADDR\" : \"unix:///run/x.sock\"}\n",
    ])
    func readsAJSONFile(text: String) async throws {
        let candidate = try await read("etc/x.json", text)
        #expect(candidate.endpoint == PluginEndpoint(try PluginAddress("unix:///run/x.sock")))
        #expect(candidate.remarks.isEmpty)
    }

    @Test(arguments: [
        ("", "the file is empty"), ("[]", "is no JSON object"), ("null", "is no JSON object"),
        (#"{"Address":"unix:///x"}"#, "Addr is missing"), (#"{"Addr":7}"#, "Addr is no text"),
        (#"{"Addr":" unix:///x"}"#, "white space at an end"), (#"{"Addr":"unix:///x\n"}"#, "white space at an end"),
        (#"{"Addr":"unix:///x",}"#, "no trailing commas"), ("{\n// here\n\"Addr\":\"unix:///x\"}", "no comments"),
        (#"{"Addr":"/run/x.sock"}"#, "has no scheme"),
        (#"{"Addr":"https://h:1","TLSConfig":[]}"#, "TLSConfig is no JSON"),
        (#"{"Addr":"https://h:1","TLSConfig":{"CAFile":1}}"#, "CAFile is no text"),
        (#"{"Addr":"https://h:1","TLSConfig":{"InsecureSkipVerify":"yes"}}"#, "neither true nor false"),
        (
            #"{"Addr":"https://h:1","TLSConfig":{"CAFile":"/nowhere/ca.pem"}}"#,
            "CAFile '/nowhere/ca.pem' cannot be read"
        ),
        (#"{"Addr":"https://h:1","TLSConfig":{"CertFile":"/c.pem"}}"#, "CertFile is given without KeyFile"),
        (#"{"Addr":"https://h:1","TLSConfig":{"KeyFile":"/c.pem"}}"#, "KeyFile is given without CertFile"),
        (#"{"Addr":"https://h:1","TLSConfig":{"MinVersion":"1.2"}}"#, "MinVersion is no whole number"),
        // The files are read for whatever address.
        (#"{"Addr":"tcp://127.0.0.1:1","TLSConfig":{"CAFile":"/nowhere/ca.pem"}}"#, "cannot be read"),
        ("\u{FEFF}{}", "malformed JSON"),
    ])
    func saysWhatIsWrongWithAJSONFile(text: String, problem: String) async throws {
        let candidate = try await read("etc/x.json", text)
        #expect(candidate.endpoint == nil)
        #expect(candidate.problem?.contains(problem) == true, "\(candidate)")
    }

    @Test(arguments: [
        (#"{"Addr":"unix:///x","Name":"y"}"#, "Name says 'y', which engines ignore"),
        (#"{"Addr":"unix:///x","Adress":"y"}"#, "engines ignore the key 'Adress' of the file"),
        (#"{"Addr":"unix:///x"} more"#, "engines ignore what follows"),
        (#"{"Addr":"https://h:1"}"#, "no TLSConfig: engines check the plugin's certificate against the system's"),
        (#"{"Addr":"https://h:1","TLSConfig":{}}"#, "no CAFile: engines believe whoever answers"),
        (#"{"Addr":"https://h:1","TLSConfig":{"CACert":"x"}}"#, "engines ignore the key 'CACert' of TLSConfig"),
        (#"{"Addr":"https://h:1","TLSConfig":{"CAFile":"ca.pem","InsecureSkipVerify":true}}"#, "CAFile is no use"),
        (#"{"Addr":"https://h:1","TLSConfig":{"CAFile":"ca.pem","InsecureSkipVerify":true}}"#, "working directory"),
        (#"{"Addr":"unix:///x","TLSConfig":{}}"#, "engines speak TLS only where the address begins with https://"),
    ])
    func remarksOnWhatWasMeantOtherwise(text: String, remark: String) async throws {
        let candidate = try await read("etc/x.json", text)
        #expect(candidate.endpoint != nil)
        #expect(candidate.remarks.contains { $0.contains(remark) }, "\(candidate.remarks)")
    }

    @Test func looksIntoTheFilesOfTLSConfig() async throws {
        try await withFolders { folders in
            let (ca, key) = (folders.path("ca.pem"), folders.path("key.pem"))
            try folders.put(["ca.pem"], saying: "-----BEGIN CERTIFICATE-----\n")
            try folders.put(["key.pem"], saying: "-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
            func problem(_ tls: String) throws -> String? {
                try folders.put(["etc/x.json"], saying: #"{"Addr":"https://h:1","TLSConfig":{\#(tls)}}"#)
                return try folders.discovery.lookUp("x").taken?.problem
            }
            #expect(try problem(#""CAFile":"\#(ca)""#) == nil)
            #expect(try problem(#""CAFile":"\#(key)""#)?.contains("has no certificate in it") == true)
            #expect(try problem(#""CertFile":"\#(ca)","KeyFile":"\#(key)""#)?.contains("is encrypted") == true)
            #expect(try problem(#""CertFile":"\#(ca)","KeyFile":"\#(ca)""#)?.contains("no private key in it") == true)
        }
    }
}
