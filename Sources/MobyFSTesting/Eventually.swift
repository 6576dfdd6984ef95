// SPDX-License-Identifier: Apache-2.0

package import Testing

/// Something that was waited for and did not come.
package struct NotInTime: Error, CustomStringConvertible {
    package let description: String
}

/// Asks again and again until the answer is yes: for events that nobody announces.
///
/// The limit costs nothing where all is well, and is not for measuring: machines that run tests can be slow.
package func eventually(
    within limit: Duration = .seconds(90), _ event: String, isolation: isolated (any Actor)? = #isolation,
    sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < end else { throw NotInTime(description: "not within \(limit): \(event)") }
        try await Task.sleep(for: .milliseconds(20))
    }
}
