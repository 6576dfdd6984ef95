// SPDX-License-Identifier: Apache-2.0

/// An option that a volume can be created with.
///
/// The one entry serves checking, the manual, `mobyfs driver inspect` and keeping secrets secret.
package struct OptionInfo: Hashable, Sendable {
    package let name: String
    package let value: OptionValue
    /// What it means, in one line.
    package let help: String
    /// Other names of the same option, as other plugins have them.
    package let aliases: [String]
    /// Whether the value is to be shown nowhere.
    package let isSecret: Bool
    /// What counts where the option is not given, for people.
    package let defaultValue: String?

    package init(
        _ name: String, _ value: OptionValue = .text, _ help: String, aliases: [String] = [], isSecret: Bool = false,
        default defaultValue: String? = nil
    ) {
        self.name = name
        self.value = value
        self.help = help
        self.aliases = aliases
        self.isSecret = isSecret
        self.defaultValue = defaultValue
    }

    /// The options that every driver has.
    package static let common = [
        OptionInfo("driver", .text, "the storage behind the volume; chosen by the other options if not given"),
        OptionInfo("size", .size(minimumBytes: 4096), "how much the volume can hold; more is refused to its writers"),
        OptionInfo("uid", .user, "owner of the volume's root directory"),
        OptionInfo("gid", .group, "group of the volume's root directory"),
        OptionInfo("mode", .mode, "mode of the volume's root directory"),
        OptionInfo(
            "on-remove", .oneOf(RemovalPolicy.allCases.map(\.rawValue)),
            "what becomes of the data when the volume is removed",
            default: "delete"),
        OptionInfo(
            "trash-retention", .duration, "how long the data stays in the trash with on-remove=trash",
            default: "until the trash is emptied"),
        OptionInfo("protected", .flag, "whether Remove is refused", default: "false"),
        OptionInfo(
            "snapshot-schedule", .oneOf(SnapshotSchedule.allCases.map(\.rawValue)),
            "how often a snapshot is made by itself", default: "never"),
        OptionInfo(
            "snapshot-keep", .number(1...1000), "how many of the snapshots that are made by themselves are kept",
            default: "\(SnapshotSchedule.defaultCount)"),
        OptionInfo("from", .text, "another volume, or VOLUME@SNAPSHOT, whose data the new one begins with a copy of"),
    ]
}

/// What becomes of a volume's data when the volume is removed.
package enum RemovalPolicy: String, Sendable, CaseIterable {
    /// Deleted, in the background.
    case delete
    /// Moved to the trash, to stay there until somebody empties it.
    case trash
    /// Left where it is, for a later volume of the same name.
    case keep
}

/// How often a snapshot of a volume is made by itself.
package enum SnapshotSchedule: String, Sendable, CaseIterable {
    case hourly, daily, weekly, monthly

    static let defaultCount = 7

    var seconds: Double {
        switch self {
        case .hourly: 3600
        case .daily: 86400
        case .weekly: 7 * 86400
        case .monthly: 30 * 86400
        }
    }
}

/// What a driver is, as data.
package struct DriverInfo: Hashable, Sendable {
    /// The name that `driver=` takes.
    package let name: String
    /// The storage, in one line.
    package let summary: String
    /// The options it has besides ``OptionInfo/common``; one of the same name takes the place of the common one.
    package let options: [OptionInfo]
    /// The options that choose the driver where `driver=` does not: `fs`, or `type=tmpfs` for one value only.
    package let selectors: [String]
    /// Whether the data outlives a reboot, in a place of mobyfs' own.
    package let isLasting: Bool

    package init(
        name: String, summary: String, options: [OptionInfo], selectors: [String] = [], isLasting: Bool = true
    ) {
        self.name = name
        self.summary = summary
        self.options = options
        self.selectors = selectors
        self.isLasting = isLasting
    }

    /// All options it has, the common ones first.
    package var allOptions: [OptionInfo] {
        let own = Set(options.map(\.name))
        return OptionInfo.common.filter { !own.contains($0.name) } + options
    }

    /// The option of this name, or of which this is another name.
    func option(named name: String) -> OptionInfo? {
        let all = allOptions
        return all.first { $0.name == name } ?? all.first { $0.aliases.contains(name) }
    }

    /// Whether an option of this name chooses the driver, whatever its value.
    func isSelected(by name: String) -> Bool {
        option(named: name).map { selectors.contains($0.name) } ?? false
    }

    /// Throws unless options are of this driver, each in its one spelling, as ``OptionParser`` leaves them.
    func requireNormal(_ options: VolumeOptions) throws(VolumeError) {
        // Of most volumes nothing was asked for.
        guard !options.values.isEmpty else { return }
        let all = allOptions
        for (name, value) in options.values.sorted(by: { $0.key < $1.key }) where value != Secret.placeholder {
            guard let option = all.first(where: { $0.name == name }) else {
                throw VolumeError(
                    .invalidArgument, Suggestion.complaint("option", name, known: all.map(\.name).sorted()))
            }
            guard try OptionParser.normalized(value, of: option, calledAs: name) == value else {
                throw VolumeError(.invalidArgument, "option \(name)='\(value.excerpt())' is not as mobyfs writes it")
            }
        }
    }
}

extension [DriverInfo] {
    /// The driver that somebody has in mind who asks for an option: the one that it chooses, else the first that has it.
    func owner(ofOption name: String) -> DriverInfo? {
        first { $0.isSelected(by: name) } ?? first { $0.option(named: name) != nil }
    }
}
