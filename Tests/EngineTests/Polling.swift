// SPDX-License-Identifier: Apache-2.0

/// Something that was waited for and did not come.
struct NotInTime: Error, CustomStringConvertible {
    let description: String
}

/// Asks again and again until the answer is yes.
///
/// - Parameters:
///   - limit: How long to go on asking.
///   - event: What is waited for, for the error.
///   - condition: The question. It may throw: that is a "not yet", told if nothing better comes.
/// - Throws: ``NotInTime`` when the limit has passed.
func eventually(
    within limit: Duration = .seconds(90), _ event: String, _ condition: () async throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let end = clock.now + limit
    while true {
        var trouble = ""
        do {
            if try await condition() { return }
        } catch {
            trouble = " (\(error))"
        }
        guard clock.now < end else { throw NotInTime(description: "not within \(limit): \(event)\(trouble)") }
        try await Task.sleep(for: .milliseconds(50))
    }
}
