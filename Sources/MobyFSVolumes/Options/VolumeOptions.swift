// SPDX-License-Identifier: Apache-2.0

package import Glibc

/// The options of a volume, checked and in one spelling, so that equal wishes are equal.
///
/// Of a secret they say only that there is one.
package struct VolumeOptions: Hashable, Sendable {
    /// The options as they are kept and shown.
    package private(set) var values: [String: String]

    /// Options that were checked before, by ``OptionParser`` or when a record was written.
    package init(checked values: [String: String]) {
        self.values = values
    }

    package subscript(name: String) -> String? { values[name] }
    /// How much the volume may hold; nil if nobody has said.
    package var size: ByteSize? { values["size"].flatMap { ByteSize($0) } }
    package var owner: uid_t? { values["uid"].flatMap { uid_t($0) } }
    package var group: gid_t? { values["gid"].flatMap { gid_t($0) } }
    package var mode: mode_t? { values["mode"].flatMap { mode_t($0, radix: 8) } }
    package var isProtected: Bool { values["protected"] == "true" }
    /// What was asked for; nil leaves it to the driver.
    package var removalPolicy: RemovalPolicy? { values["on-remove"].flatMap { RemovalPolicy(rawValue: $0) } }

    /// How long the data stays in the trash; nil for as long as nobody empties that.
    var trashRetention: Duration? {
        values["trash-retention"].flatMap { OptionValue.seconds(in: $0) }.map { .seconds($0) }
    }

    /// The seconds between two snapshots that are made by themselves; nil if none are.
    var snapshotPeriod: Double? { values["snapshot-schedule"].flatMap { SnapshotSchedule(rawValue: $0)?.seconds } }
    /// How many of these are kept.
    var snapshotCount: Int { values["snapshot-keep"].flatMap { Int($0) } ?? SnapshotSchedule.defaultCount }

    /// The same with another size.
    func with(size: ByteSize) -> VolumeOptions { with("size", size.normal) }

    /// The same with another value of one option, in its one spelling; nil for none.
    func with(_ name: String, _ value: String?) -> VolumeOptions {
        var options = self
        options.values[name] = value
        return options
    }

    /// Says how these options differ from others, or nil if they do not.
    ///
    /// For people: `mode is '0700', asked for '0755'`.
    ///
    /// - Parameters:
    ///   - asked: The others.
    ///   - defaults: What the others have without having been asked for.
    /// - Returns: What differs.
    package func difference(from asked: VolumeOptions, defaults: [String: String] = [:]) -> String? {
        let names = Set(values.keys).union(asked.values.keys).sorted().filter { values[$0] != asked.values[$0] }
        guard !names.isEmpty else { return nil }
        return names.map { name in
            let present = values[name].map { "'\($0.excerpt())'" } ?? "not set"
            guard let value = asked.values[name] else { return "\(name) is \(present), not asked for" }
            let wanted = "'\(value.excerpt())'"
            return "\(name) is \(present), "
                + (value == defaults[name] ? "not asked for (the default is \(wanted))" : "asked for \(wanted)")
        }.joined(separator: "; ")
    }
}
