// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import Systemd

/// Whether engines see what the daemon mounts.
///
/// A service with a mount namespace of its own sees what is mounted on the host, and nobody sees what it mounts: all
/// seems to be well until a container is started. What somebody starts in one by hand is meant so.
struct MountVisibility: Sendable {
    private static let reason =
        "systemd has given the daemon a mount namespace of its own, and engines do not see what it mounts there: "
        + "containers are not started, or find empty folders in the place of their volumes"
    private static let advice =
        "take PrivateTmp=, PrivateMounts=, PrivateDevices=, ProtectSystem=, ProtectHome=, ReadOnlyPaths=, RootDirectory= and "
        + "the like out of what 'systemctl cat mobyfs' shows, and restart mobyfs"

    /// What is wrong; nil if nothing is, or it cannot be seen.
    let finding: FindingDetails?

    /// Looks at the namespaces of this process and of the first one of this host.
    ///
    /// - Parameters:
    ///   - systemd: Who may have started this process.
    ///   - isManaged: Whether an engine has, as a managed plugin, whose mounts are its own anyway.
    init(systemd: ServiceManager, isManaged: Bool) {
        let isCutOff = !isManaged && systemd.hasStartedThisProcess && MountNamespaces.isThatOfTheHost == false
        let subject = "mobyfs.service"
        finding =
            isCutOff
            ? FindingDetails(
                id: "namespace:\(subject)", kind: "namespace", subject: subject, reason: Self.reason,
                advice: Self.advice)
            : nil
    }
}
