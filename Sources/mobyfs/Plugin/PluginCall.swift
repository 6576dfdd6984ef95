// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import DockerPluginClient
import DockerPluginDiscovery
import Glibc
import Synchronization
import SystemPackage

extension PluginCommand {
    struct Call: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "call",
            abstract: "Call a method of a plugin and print its answer.",
            discussion: """
                The answer's body goes to standard output. The exit status is 0 if the plugin answered, 1 if its answer \
                is an error, and 2 if there is no such plugin or it cannot be reached.
                """)

        @Argument(help: "The name of a plugin, or its address: unix:///PATH, tcp://HOST:PORT or https://HOST:PORT.")
        var plugin: String

        @Argument(help: "The method, such as VolumeDriver.List or Plugin.Activate.")
        var method: String

        @Argument(help: "What to call it with; - reads standard input. (default: nothing)")
        var json: String?

        @Flag(help: "Show connection, TLS and what goes over the wire on standard error.")
        var trace = false

        @Option(help: "How many seconds the call may take, all attempts together.")
        var timeout = 120.0

        @Flag(help: "Do not try again when the plugin cannot be reached.")
        var noRetry = false

        @Flag(help: "Send what is given even if it is no JSON.")
        var raw = false

        @OptionGroup var tls: TLSOptions

        @OptionGroup var directories: Directories

        func validate() throws {
            guard timeout > 0, timeout <= 86400 else {
                throw ValidationError("--timeout '\(timeout)' is no time to wait: a number of seconds above 0")
            }
        }

        func run() async throws {
            try await reportingFailure {
                let body = try body()
                let target = try target()
                let hint = CallHint(body, target)
                let client = PluginClient(target.endpoint, configuration: configuration(hint))
                do {
                    let reply = try await client.call(method, body: body)
                    try print(reply.body)
                    _ = try client.value(of: reply, method)
                } catch let error as PluginClientError {
                    TerminalText.complain("mobyfs: \(error)")
                    hint.give(on: error)
                    throw error.status == nil ? Status.unreachable : Status.refused
                }
            }
        }

        private func target() throws -> Target {
            do {
                let target = try Target(plugin, tls: tls, in: directories)
                if trace, let taken = target.lookup?.taken {
                    TerminalText.complain("* '\(plugin)' is '\(taken.path)': \(target.endpoint.address)")
                    for remark in taken.remarks { TerminalText.complain("* \(remark)") }
                }
                return target
            } catch let error as PluginDiscoveryError {
                PluginCommand.complain(error, name: plugin, in: directories)
                throw Status.unreachable
            }
        }

        private func configuration(_ hint: CallHint) -> PluginClient.Configuration {
            var configuration = PluginClient.Configuration()
            configuration.callLimit = .seconds(timeout)
            if noRetry { configuration.retries = .none }
            let showsAll = trace
            let said = Mutex("")
            configuration.trace = { event in
                if case .retry(let error, let pause) = event {
                    // The same is not said twice.
                    let isNew = said.withLock { last in
                        defer { last = "\(error)" }
                        return last != "\(error)"
                    }
                    TerminalText.complain("mobyfs: \(isNew ? "\(error); " : "")trying again in \(pause.inSeconds)")
                    hint.give(on: error)
                } else if showsAll {
                    WireTrace.show(event)
                }
            }
            return configuration
        }

        /// What is sent.
        private func body() throws -> [UInt8] {
            guard let json else { return [] }
            let body = json == "-" ? try Self.standardInput() : Array(json.utf8)
            guard !raw else { return body }
            do {
                _ = try JSONValue(parsing: body)
            } catch {
                throw ValidationError("that is no JSON: \(error); to send it all the same, add --raw")
            }
            return body
        }

        private static func standardInput() throws -> [UInt8] {
            var content: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65536)
            while true {
                let count = try chunk.withUnsafeMutableBytes { try FileDescriptor.standardInput.read(into: $0) }
                if count == 0 { return content }
                content += chunk[..<count]
                guard content.count <= 64 << 20 else { throw ValidationError("more than 64 MiB on standard input") }
            }
        }

        /// Prints the answer as it is, or, to a terminal, without what would have an effect there.
        private func print(_ body: [UInt8]) throws {
            guard !body.isEmpty else { return }
            var bytes = body
            if isatty(STDOUT_FILENO) == 1 {
                let lines = String(decoding: body, as: UTF8.self).split(
                    separator: "\n", omittingEmptySubsequences: false)
                bytes = Array(lines.map { TerminalText.line($0) }.joined(separator: "\n").utf8)
            }
            if bytes.last != UInt8(ascii: "\n") { bytes.append(UInt8(ascii: "\n")) }
            try FileDescriptor.standardOutput.writeAll(bytes)
        }
    }
}

/// Says, once, what may be missing where a plugin hung up, or its TLS fails.
private final class CallHint: Sendable {
    /// What to say of each.
    private let texts: Mutex<[PluginClientError.Code: String]>

    init(_ body: [UInt8], _ target: PluginCommand.Target) {
        var texts: [PluginClientError.Code: String] = [:]
        if case .tcp = target.endpoint.address.transport {
            texts[.dropped] = "does it speak TLS? Then it is called at https://"
        }
        if body.isEmpty {
            let text = "it was called with nothing: does it want JSON, such as '{}'?"
            texts[.dropped] = texts[.dropped].map { "\(text) Or \($0)" } ?? text
        }
        // Of a plugin that is found by its name a file says it.
        if target.lookup == nil {
            texts[.untrusted] =
                "for an address, --tls-ca names the authority, --tls-cert and --tls-key your certificate"
        }
        self.texts = Mutex(texts)
    }

    func give(on error: PluginClientError) {
        let text = texts.withLock { $0.removeValue(forKey: error.code) }
        if let text { TerminalText.complain(text) }
    }
}
