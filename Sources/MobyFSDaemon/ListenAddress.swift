// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery
import Glibc
package import SystemPackage

/// An address to serve, as a user gives it: `unix:///run/x.sock` or `tcp://HOST:PORT`.
package enum ListenAddress: Hashable, Sendable {
    case unix(FilePath)
    /// Port 0 lets the kernel choose. Whether TLS is spoken is for the certificates to say.
    case tcp(host: String, port: Int)

    /// - Throws: ``ConfigurationError`` naming the text and what is wanted.
    init(_ text: String) throws(ConfigurationError) {
        let address: PluginAddress
        do {
            address = try PluginAddress(text)
        } catch {
            throw ConfigurationError("\(error)")
        }
        let wanted = "is no address to listen on: unix:///ABSOLUTE/PATH or tcp://HOST:PORT"
        if let remark = address.remarks.first { throw ConfigurationError("'\(text)' \(wanted) (\(remark))") }
        switch address.transport {
        case .unix(let path): self = .unix(FilePath(path).lexicallyNormalized())
        case .tcp(let host, let port): self = .tcp(host: host, port: port)
        case .tls:
            throw ConfigurationError("'\(text)' \(wanted); TLS is spoken there when MOBYFS_TLS_CERT is set")
        }
    }

    /// Whether nobody but this host can connect.
    ///
    /// A name may be anything, whatever it resolves to now.
    var isLocal: Bool {
        switch self {
        case .unix: return true
        case .tcp(let host, _):
            var four = in_addr()
            var six = in6_addr()
            if inet_pton(AF_INET, host, &four) == 1 { return UInt32(bigEndian: four.s_addr) >> 24 == 127 }
            if inet_pton(AF_INET6, host, &six) == 1 {
                return withUnsafeBytes(of: six) { $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1 }
            }
            return host == "localhost"
        }
    }

    /// Whether the kernel chooses the port.
    var isAnyPort: Bool {
        if case .tcp(_, 0) = self { true } else { false }
    }

    /// Whether this stands for all addresses of the host.
    var isWildcard: Bool {
        if case .tcp(let host, _) = self { ["0.0.0.0", "::"].contains(host) } else { false }
    }
}

extension ListenAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unix(let path): "unix://\(path)"
        case .tcp(let host, let port): "tcp://\(host.contains(":") ? "[\(host)]" : host):\(port)"
        }
    }
}
