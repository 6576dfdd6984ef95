// SPDX-License-Identifier: Apache-2.0

import MobyFSVolumes

/// Asks for what is not in order in the pool; nothing is changed.
package struct Diagnose: ControlCall {
    package struct Answer: Codable, Sendable {
        package let findings: [FindingDetails]
    }

    package init() {}
}

/// Something that is not in order.
package struct FindingDetails: Codable, Hashable, Sendable {
    /// What ``Repair`` takes.
    package let id: String
    /// What kind of thing it is: `record`, `data` and so on.
    package let kind: String
    /// The volume, or what else it is about.
    package let subject: String
    package let reason: String
    /// What a repair does; where nothing can be repaired, what somebody can do.
    package let advice: String
    /// Whether ``Repair`` does it.
    package let isRepairable: Bool

    private enum CodingKeys: String, CodingKey {
        case id, kind, subject, reason, advice
        case isRepairable = "repairable"
    }

    init(_ finding: Finding) {
        id = finding.id
        kind = finding.kind.rawValue
        subject = finding.subject
        reason = finding.reason
        advice = finding.advice
        isRepairable = finding.isRepairable
    }

    init(id: String, kind: String, subject: String, reason: String, advice: String) {
        self.id = id
        self.kind = kind
        self.subject = subject
        self.reason = reason
        self.advice = advice
        isRepairable = false
    }
}

/// Does what can be done about a finding.
package struct Repair: ControlCall {
    package typealias Answer = Done

    package let id: String

    package init(id: String) {
        self.id = id
    }
}
