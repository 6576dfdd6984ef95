// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery
import SystemPackage

/// Looks at this host for what keeps engines from their volumes, or was left behind; changes nothing.
///
/// It asks no daemon, so that it can tell why there is none.
package struct HostDoctor: Sendable {
    private let checks: [any HostCheck]

    package init(_ configuration: Configuration) {
        var checks: [any HostCheck] = [
            SpecCheck(directory: configuration.specDirectory),
            DataTargetCheck(pool: configuration.dataDirectory),
            MountCheck(configuration),
            LoopCheck(pool: configuration.dataDirectory),
        ]
        // A daemon elsewhere is not the one that the package's units start.
        if configuration.runtimeDirectory.string == Setting.runtimeDirectory.defaultValue {
            let file = SpecFile(name: ServedName.main, directory: configuration.specDirectory.string)
            checks.append(AnnouncementCheck(file: file))
        }
        self.checks = checks
    }

    /// Everything that is found.
    ///
    /// Blocks.
    package func findings() -> [FindingDetails] { checks.flatMap { $0.findings() } }
}

/// One thing to look at.
protocol HostCheck: Sendable {
    /// What is wrong with it; what cannot be seen is not wrong.
    ///
    /// Blocks.
    func findings() -> [FindingDetails]
}

extension HostCheck {
    func finding(_ kind: String, _ subject: String, _ reason: String, advice: String) -> FindingDetails {
        FindingDetails(id: "\(kind):\(subject)", kind: kind, subject: subject, reason: reason, advice: advice)
    }
}
