// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost

extension VolumeManager {
    /// The options that a volume can get, lose and change while it exists.
    private static let changeable = [
        "uid", "gid", "mode", "on-remove", "trash-retention", "protected", "snapshot-schedule", "snapshot-keep",
    ]

    /// Changes options of a volume, whether it is in use or not.
    ///
    /// Owner and mode are set at once where something holds it, else by the next Mount.
    ///
    /// - Parameters:
    ///   - name: The volume.
    ///   - changes: Options of every driver, in any spelling; an empty value takes one away.
    /// - Throws: ``VolumeError``; the volume has the options it had.
    package func change(_ name: String, _ changes: [String: String]) async throws {
        let name = try describe(name).name
        try await work(on: name, for: .changing, within: limits.long) { deadline in
            let (volume, entry) = try self.servable(name)
            let driver = try self.driver(named: volume.driver)
            var changed = volume
            changed.options = try await BlockingWork.run {
                let options = try Self.options(of: volume, changed: changes, driver.info)
                try driver.check(options)
                return options
            }
            guard changed.options != volume.options else { return }
            try self.requireSnapshots(changed)
            if !entry.holders.isEmpty {
                let context = self.context(changed, secrets: try await self.secrets(of: volume), deadline: deadline)
                do {
                    try await driver.mount(changed, in: context)
                } catch let error as VolumeError {
                    throw Self.unchanged(name, error)
                }
            }
            try await self.commit { [changed] in try $0.save(changed) }
            self.update(name) { [changed] in $0.volume = changed }
            self.context(changed).logger.info(
                "volume changed", metadata: ["volume.changes": "\(changes.keys.sorted().joined(separator: ", "))"])
        }
    }

    /// Says of a driver that failed to mount a volume, which it is, that the volume could not be changed.
    private static func unchanged(_ name: VolumeName, _ error: VolumeError) -> VolumeError {
        let what = "volume '\(name)' keeps the options it had"
        if let cause = error.cause as? SystemCallError { return .failure(what, cause) }
        return VolumeError(error.code, "\(what): \(error.message)", cause: error.cause)
    }

    private static func options(
        of volume: Volume, changed changes: [String: String], _ info: DriverInfo
    ) throws(VolumeError) -> VolumeOptions {
        var options = volume.options
        for (name, value) in changes.sorted(by: { $0.key < $1.key }) {
            guard let option = info.option(named: name) else {
                throw VolumeError(.invalidArgument, Suggestion.complaint("option", name, known: changeable))
            }
            guard changeable.contains(option.name) else {
                throw VolumeError(
                    .invalidArgument,
                    option.name == "size"
                        ? "option 'size' is changed with 'mobyfs volume resize \(volume.name) SIZE'"
                        : "option '\(name)' cannot be changed once a volume exists, only \(changeable.joined(separator: ", ")) "
                            + "can: create another volume, with from=\(volume.name) to begin with a copy")
            }
            let normal = value.isEmpty ? nil : try OptionParser.normalized(value, of: option, calledAs: name)
            options = options.with(option.name, normal)
        }
        return options
    }
}
