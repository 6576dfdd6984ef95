// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// Where a moment lies in the time of a certificate.
package struct CertificateValidity: Hashable, Sendable, CustomStringConvertible {
    package enum State: String, Sendable {
        case notYetValid, valid, expired
    }

    package let state: State
    /// Whole seconds until it begins, until it ends or since it ended.
    package let seconds: Int64

    /// How long before its end a certificate deserves a warning, in seconds.
    package static let warningTime: Int64 = 30 * 86400

    package init(notBefore: Date, notAfter: Date, now: Date) {
        if now < notBefore {
            state = .notYetValid
            seconds = Self.seconds(from: now, to: notBefore)
        } else if now > notAfter {
            state = .expired
            seconds = Self.seconds(from: notAfter, to: now)
        } else {
            state = .valid
            seconds = Self.seconds(from: now, to: notAfter)
        }
    }

    /// Whether it is valid, but not for long.
    package var isEnding: Bool { state == .valid && seconds < Self.warningTime }

    /// Such as `3649 days left`, `expired 2 days ago` or `not valid for another 3 hours`.
    package var description: String {
        switch state {
        case .notYetValid: "not valid for another \(Self.span(seconds))"
        case .valid: "\(Self.span(seconds)) left"
        case .expired: "expired \(Self.span(seconds)) ago"
        }
    }

    private static func seconds(from one: Date, to other: Date) -> Int64 {
        Int64(min(other.timeIntervalSince(one), 1e15))
    }

    private static func span(_ seconds: Int64) -> String {
        let (count, unit) =
            switch seconds {
            case 86400...: (seconds / 86400, "day")
            case 3600...: (seconds / 3600, "hour")
            case 60...: (seconds / 60, "minute")
            default: (seconds, "second")
            }
        return "\(count) \(unit)\(count == 1 ? "" : "s")"
    }
}

extension Date {
    /// The day in UTC, such as `2026-11-21`.
    package var utcDay: String { formatted(.iso8601.year().month().day()) }
}
