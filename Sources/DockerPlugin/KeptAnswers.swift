// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Answers that are given again as long as they are what would be said anew.
final class KeptAnswers: Sendable {
    /// With more volumes than that it is others whose answers are kept.
    private static let limit = 1 << 14

    private let answers = Mutex<[String: (version: UInt64, response: PluginResponse)]>([:])

    /// The answer about a volume.
    ///
    /// - Parameters:
    ///   - name: The volume.
    ///   - version: Of what there is to be said now; nil where nobody knows.
    ///   - make: Makes the answer; nil for none.
    /// - Returns: The answer, which may have been made before.
    func response(about name: String, at version: UInt64?, _ make: () -> PluginResponse?) -> PluginResponse? {
        guard let version else { return make() }
        if let kept = answers.withLock({ $0[name] }), kept.version == version { return kept.response }
        guard let response = make() else { return nil }
        answers.withLock { answers in
            if answers.count >= Self.limit { answers = [:] }
            answers[name] = (version, response)
        }
        return response
    }
}
