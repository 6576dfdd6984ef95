// SPDX-License-Identifier: Apache-2.0

/// A thing that can be configured: by a flag of `mobyfs start`, in the environment or in the configuration file.
package enum Setting: String, CaseIterable, Sendable {
    case dataDirectory = "MOBYFS_DATA_DIR"
    case runtimeDirectory = "MOBYFS_RUNTIME_DIR"
    case shared = "MOBYFS_SHARED"
    case listen = "MOBYFS_LISTEN"
    case port = "MOBYFS_PORT"
    case tlsCertificate = "MOBYFS_TLS_CERT"
    case tlsKey = "MOBYFS_TLS_KEY"
    case tlsAuthorities = "MOBYFS_TLS_CA"
    case tlsClientCertificate = "MOBYFS_TLS_CLIENT_CERT"
    case tlsClientKey = "MOBYFS_TLS_CLIENT_KEY"
    case insecure = "MOBYFS_INSECURE"
    case names = "MOBYFS_NAMES"
    case specDirectory = "MOBYFS_SPEC_DIR"
    case logLevel = "MOBYFS_LOG_LEVEL"

    /// What names of all settings begin with; an environment variable that does and is none is a mistake.
    static let prefix = "MOBYFS_"

    /// What holds where nothing is said; nil if that is nothing.
    package var defaultValue: String? {
        switch self {
        case .dataDirectory: "/var/lib/mobyfs"
        case .runtimeDirectory: "/run/mobyfs"
        case .specDirectory: "/etc/docker/plugins"
        case .shared: "auto"
        case .logLevel: "info"
        default: nil
        }
    }

    /// Whether a reload is enough for it to change.
    var isReloadable: Bool { self == .logLevel }
}
