// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// Something in the pool that is not as it should be.
package struct Finding: Hashable, Sendable {
    package enum Kind: String, Sendable {
        /// The pool cannot be read.
        case pool
        /// A volume cannot be served because of its record.
        case record
        /// A volume's data is not there.
        case data
        /// A volume's passwords cannot be read.
        case secrets
        /// A symbolic link has the name of a volume.
        case link
        /// Something has the name of a volume, or stands among them, and is none.
        case stranger
        /// What was set aside once has a successor.
        case quarantine
        /// Half of a file that a crash has left.
        case leftover
        /// A snapshot that is not listed.
        case snapshot
        /// A removed volume that is not listed.
        case trash
        /// Something is dated in the future.
        case clock
    }

    /// What is done about it without losing anything.
    enum Repair: Hashable, Sendable {
        /// Gives the volume in a directory this record, and serves it.
        case write(Volume, in: FilePath)
        /// Serves what is all right by now.
        case serve(Volume, in: FilePath)
        /// Moves a volume's directory to where removed volumes are kept, with this record.
        case takeToTrash(Volume, from: FilePath)
        /// Puts a volume's data back that a crash has left out of place.
        case recover(Volume)
        /// Gives a removed volume this record.
        case list(Volume, in: FilePath)
        /// Gives a snapshot a date.
        case date(Snapshot)
        case delete(FilePath)
    }

    /// Ends an error of which the doctor says more.
    static let pointer = "; see 'mobyfs doctor'"

    package let kind: Kind
    /// The volume, or what else it is about.
    package let subject: String
    /// What is wrong.
    package let reason: String
    /// What is done about it on demand, or, where nothing is, what somebody can do.
    package let advice: String
    let repair: Repair?

    init(_ kind: Kind, _ subject: String, _ reason: String, _ repair: Repair? = nil, advice: String) {
        self.kind = kind
        self.subject = subject
        // Here is where that leads to.
        self.reason = reason.replacing(Self.pointer, with: "")
        self.repair = repair
        self.advice = advice
    }

    /// The volume of a subject that is a part of one.
    var volume: String { String(subject.prefix { $0 != "/" && $0 != "@" }) }

    /// What tells it from the others.
    package var id: String { "\(kind.rawValue):\(subject)" }
    /// Whether ``VolumeManager/repair(_:)`` can do something about it.
    package var isRepairable: Bool { repair != nil }
}
