// SPDX-License-Identifier: Apache-2.0

import DockerPluginClient
import DockerPluginDiscovery
import MobyFSTesting
import Synchronization
import SystemPackage

/// The API of an engine on a real socket, answering as a test says, with a memory of what it was asked.
///
/// What real engines do is tested with real ones; this one is for what those do seldom.
final class EngineFake: Sendable {
    /// What is answered to a request: its first line without the protocol, and its body.
    typealias Answer = @Sendable (_ request: String, _ body: String) -> (status: String, body: String)

    private let asked: Requests
    private let server: RawServer
    let plugins: ManagedPlugins

    private final class Requests: Sendable {
        let all = Mutex<[String]>([])
    }

    /// What was asked, the version aside: `POST /v1.41/plugins/x/enable?timeout=30 BODY`.
    var requests: [String] { asked.all.withLock { $0 } }

    init(_ path: FilePath, version: String = "1.41", _ answer: @escaping Answer) throws {
        let asked = Requests()
        self.asked = asked
        plugins = ManagedPlugins(engine: PluginEndpoint(PluginAddress(socket: path.string)))
        server = try RawServer(path) { connection in
            while true {
                let text = try connection.receiveRequest()
                guard let line = text.firstRange(of: " HTTP/1.1\r\n"), let split = text.firstRange(of: "\r\n\r\n")
                else { return }
                let request = String(text[..<line.lowerBound])
                let body = String(text[split.upperBound...])
                if request == "GET /version" {
                    try connection.answer(#"{"Version":"x","ApiVersion":"\#(version)"}"#)
                } else {
                    asked.all.withLock { $0.append(body.isEmpty ? request : "\(request) \(body)") }
                    let answer = answer(request, body)
                    try connection.answer(answer.body, status: answer.status)
                }
            }
        }
    }
}

/// Runs `body` with an engine that answers as told.
func withEngine(
    version: String = "1.41", _ answer: @escaping EngineFake.Answer, _ body: (EngineFake) async throws -> Void
) async throws {
    try await withTemporaryDirectory { root in
        try await body(try EngineFake(root.appending("docker.sock"), version: version, answer))
    }
}

/// A plugin as engines describe it.
func pluginJSON(_ name: String, id: String = "0123456789ab", isEnabled: Bool = false) -> String {
    """
    {"Id":"\(id)","Name":"\(name)","Enabled":\(isEnabled),"PluginReference":"docker.io/library/\(name)",
    "Settings":{"Env":["A=b"]},"Config":{"Description":"words","Interface":{"Types":["docker.volumedriver/1.0"],
    "Socket":"s.sock"}}}
    """
}
