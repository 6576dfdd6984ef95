// SPDX-License-Identifier: Apache-2.0

import PluginCertificates
import SystemPackage

/// What was made and where each file goes, for people.
struct CertificateInstructions: CustomStringConvertible {
    let set: CertificateSet
    let result: CertificateSet.Result
    let isRenewal: Bool

    private static let port = 8443
    /// Where the files are on the host of an engine: where mobyfs has its own, since either host has only one of them.
    private static let engineDirectory = CertificateSet.defaultDirectory

    var description: String {
        let names = result.hosts.map(\.description).joined(separator: ", ")
        var text = """
            \(isRenewal ? "Renewed" : "Made") in \(set.directory), valid for \(names):

            """
        let width = CertificateSet.File.allCases.map(\.rawValue.count).max() ?? 0
        // The one that goes elsewhere comes last.
        for file in result.written.filter({ $0 != .authorityKey }) + result.written.filter({ $0 == .authorityKey }) {
            let padding = String(repeating: " ", count: width - file.rawValue.count)
            text += "  \(file.rawValue)\(padding)  \(purpose(of: file))\n"
        }
        text += "\n" + (isRenewal ? renewalSteps : firstSteps)
        return text
    }

    private func purpose(of file: CertificateSet.File) -> String {
        switch file {
        case .authority: "the CA that mobyfs and engines trust, until \(result.authority.notAfter.utcDay)"
        case .authorityKey: "signs renewed certificates, and lets whoever has it call mobyfs: keep it elsewhere"
        case .server: "mobyfs shows it to engines, until \(result.server.notAfter.utcDay)"
        case .serverKey: "its key: for mobyfs alone"
        case .client: "engines show it to mobyfs, until \(result.client.notAfter.utcDay)"
        case .clientKey: "its key: for engines, and whoever has it can call mobyfs"
        }
    }

    private var firstSteps: String {
        """
        For mobyfs, in /etc/mobyfs/mobyfs.env, and then 'systemctl restart mobyfs':
          MOBYFS_LISTEN=tcp://\(listenHost):\(Self.port)
          MOBYFS_TLS_CERT=\(set.path(of: .server))
          MOBYFS_TLS_KEY=\(set.path(of: .serverKey))
          MOBYFS_TLS_CA=\(set.path(of: .authority))
          MOBYFS_TLS_CLIENT_CERT=\(set.path(of: .client))
          MOBYFS_TLS_CLIENT_KEY=\(set.path(of: .clientKey))
        The last two are for the spec file that engines on this host read. As flags of mobyfs start:
          --listen, --tls-cert, --tls-key, --tls-ca, --tls-client-cert and --tls-client-key

        For an engine on another host: copy ca.pem, client-cert.pem and client-key.pem to
        \(Self.engineDirectory) there, and write /etc/docker/plugins/mobyfs.json:
          {
            "Name": "mobyfs",
            "Addr": "https://\(address):\(Self.port)",
            "TLSConfig": {
              "CAFile": "\(Self.engineDirectory)/ca.pem",
              "CertFile": "\(Self.engineDirectory)/client-cert.pem",
              "KeyFile": "\(Self.engineDirectory)/client-key.pem",
              "InsecureSkipVerify": false
            }
          }

        Move ca-key.pem to a safe place: only 'mobyfs tls create --renew' needs it.
        """
    }

    private var renewalSteps: String {
        var text = "The CA and the keys stay: mobyfs takes the new certificate by itself. "
        text += "Copy client-cert.pem"
        if result.written.contains(.clientKey) { text += " and client-key.pem" }
        text += " to the hosts of engines"
        if let end = result.previousClientEnd { text += "; what they have now is valid until \(end.utcDay)" }
        text += "."
        if result.server.notAfter == result.authority.notAfter {
            text += "\nThe certificates end with the CA, on \(result.authority.notAfter.utcDay): after that, "
            text += "'mobyfs tls create --force' makes a new one."
        }
        return text
    }

    /// An address to bind, or all of them: what a name stands for on its own host is often the loopback address.
    private var listenHost: String { result.hosts.first.flatMap { $0.isAddress ? $0.urlText : nil } ?? "0.0.0.0" }

    /// What an engine can connect to.
    private var address: String {
        result.hosts.first { !$0.isWildcard && !CertifiedHost.loopback.contains($0) }?.urlText
            ?? (result.hosts.first?.isWildcard == true ? "HOST" : "localhost")
    }
}
