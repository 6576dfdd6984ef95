// SPDX-License-Identifier: Apache-2.0

import MobyFSVolumes

/// Asks for the drivers, in the order in which they are tried.
package struct ListDrivers: ControlCall {
    package typealias Answer = DriverList

    package init() {}
}

/// What the control socket tells of a driver: the same table that checks the options of volumes, and this host.
package struct DriverDescription: Codable, Hashable, Sendable {
    /// An option that a volume of the driver can be created with.
    package struct Option: Codable, Hashable, Sendable {
        package let name: String
        /// What a value may be, in words.
        package let syntax: String
        package let help: String
        /// What counts where it is not given, for people; nil if that is nothing.
        package let defaultValue: String?
        /// Other names of it.
        package let aliases: [String]
        /// Whether its value is shown nowhere.
        package let isSecret: Bool
        /// Whether every driver has it.
        package let isCommon: Bool

        private enum CodingKeys: String, CodingKey {
            case name, syntax, help, aliases
            case defaultValue = "default"
            case isSecret = "secret"
            case isCommon = "common"
        }
    }

    package let name: String
    package let summary: String
    /// Whether volumes get it that ask for nothing special.
    package let isDefault: Bool
    /// The options that choose it: `fs`, or `type=tmpfs` for one value only.
    package let selectors: [String]
    /// Whether the data outlives a reboot.
    package let isLasting: Bool
    package let options: [Option]
    /// What this host lacks for it, each with what to do.
    package let lacks: [String]
    /// Why a volume is not held to its `size=` here; nil if it is.
    package let unlimitedReason: String?

    private enum CodingKeys: String, CodingKey {
        case name, summary, selectors, options, lacks
        case isDefault = "default"
        case isLasting = "lasting"
        case unlimitedReason = "unlimited"
    }

    init(_ facts: DriverFacts) {
        name = facts.info.name
        summary = facts.info.summary
        isDefault = facts.isDefault
        selectors = facts.info.selectors
        isLasting = facts.info.isLasting
        options = facts.info.allOptions.map { option in
            Option(
                name: option.name, syntax: option.value.syntax, help: option.help, defaultValue: option.defaultValue,
                aliases: option.aliases, isSecret: option.isSecret, isCommon: OptionInfo.common.contains(option))
        }
        lacks = facts.lacks
        unlimitedReason = if case .unsupported(let reason) = facts.size { reason } else { nil }
    }
}

/// The answer to ``ListDrivers``.
package struct DriverList: Codable, Sendable {
    package let drivers: [DriverDescription]

    init(_ facts: [DriverFacts]) {
        drivers = facts.map(DriverDescription.init)
    }
}
