// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import MobyFSDaemon
import MobyFSHost
import SystemPackage

struct StartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start",
        _superCommandName: "mobyfs",
        abstract: "Run the daemon in the foreground.",
        discussion: """
            Sockets that systemd passes are served, and every --listen beside them. Without any of these, mobyfs \
            listens on mobyfs.sock in --runtime-dir. On TCP it speaks TLS once --tls-cert, --tls-key and --tls-ca are \
            given ("mobyfs tls create" makes all three); then a client has to show a certificate too.

            Every option but --config can also be set in the environment (MOBYFS_DATA_DIR and so on) and in the \
            configuration file. An option counts before the environment, and that before the file.
            """)

    @Option(help: "The configuration file. (default: \(Configuration.defaultFile))")
    var config: String?

    @Option(help: "Where volumes are kept. (default: \(Setting.dataDirectory.defaultValue ?? ""))")
    var dataDir: String?

    @Option(help: "Where it is kept who holds which volume. (default: \(Setting.runtimeDirectory.defaultValue ?? ""))")
    var runtimeDir: String?

    @Option(help: "Whether other hosts have the data folder too: true, false, or auto for what its file system says.")
    var shared: String?

    @Option(help: "Serve this address, unix:///PATH or tcp://HOST:PORT; engines are told of the last. (repeatable)")
    var listen: [String] = []

    @Option(name: .shortAndLong, help: "The same as --listen tcp://127.0.0.1:PORT.")
    var port: String?

    @Option(help: "The certificate to show on TCP, a PEM file.")
    var tlsCert: String?

    @Option(help: "Its key, a PEM file.")
    var tlsKey: String?

    @Option(help: "The authorities that client certificates must be from, a PEM file.")
    var tlsCa: String?

    @Option(help: "The certificate that engines of this host are to show, for the spec file.")
    var tlsClientCert: String?

    @Option(help: "Its key, for the spec file.")
    var tlsClientKey: String?

    @Flag(help: "Allow plain TCP on an address that other hosts can reach.")
    var insecure = false

    @Option(
        help: ArgumentHelp(
            "Go by this name as well: NAME or 'NAME: OPTION=VALUE …'. (repeatable)",
            discussion: "It gets a socket and a spec file of its own, and the options for its volumes."))
    var name: [String] = []

    @Option(help: "Where the spec file goes. (default: \(Setting.specDirectory.defaultValue ?? ""))")
    var specDir: String?

    @Option(help: "trace, debug, info, notice, warning, error or critical. (default: info)")
    var logLevel: String?

    @Flag(help: "Run inside a managed plugin, with only the data folder shared with the host, at the same path.")
    var managed = false

    @Flag(help: "Say what is wrong with the configuration, if anything is, and start nothing.")
    var check = false

    func run() async throws {
        CoreDumps.forgo()
        Heap.bound()
        var flags: [Setting: String] = [:]
        flags[.dataDirectory] = dataDir.map(AbsolutePath.of)
        flags[.runtimeDirectory] = runtimeDir.map(AbsolutePath.of)
        flags[.shared] = shared
        if !listen.isEmpty { flags[.listen] = listen.joined(separator: " ") }
        flags[.port] = port
        flags[.tlsCertificate] = tlsCert.map(AbsolutePath.of)
        flags[.tlsKey] = tlsKey.map(AbsolutePath.of)
        flags[.tlsAuthorities] = tlsCa.map(AbsolutePath.of)
        flags[.tlsClientCertificate] = tlsClientCert.map(AbsolutePath.of)
        flags[.tlsClientKey] = tlsClientKey.map(AbsolutePath.of)
        if insecure { flags[.insecure] = "true" }
        if !name.isEmpty { flags[.names] = name.joined(separator: ";") }
        flags[.specDirectory] = specDir.map(AbsolutePath.of)
        flags[.logLevel] = logLevel
        let sources = Configuration.Sources(
            flags: flags, environment: ProcessInfo.processInfo.environment,
            file: config.map { FilePath(AbsolutePath.of($0)) })
        do {
            let daemon = Daemon(sources, isManaged: managed)
            if check { try await daemon.check() } else { try await daemon.run() }
        } catch let error as ConfigurationError {
            // Not the command line but what it leads to is wrong: no word about usage.
            _ = try? FileDescriptor.standardError.writeAll("mobyfs: \(error)\n".utf8)  // a closed stderr hears nothing
            throw ExitCode.senseless
        }
    }
}
