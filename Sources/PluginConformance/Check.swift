// SPDX-License-Identifier: Apache-2.0

/// One rule of the legacy plugin protocol that a plugin can be seen to keep or to break.
package struct Check: Sendable {
    /// What it means when the rule is broken.
    package enum Severity: String, Sendable {
        /// Users lose calls, volumes or data.
        case required
        /// Nobody is hurt today.
        case advised
    }

    /// What it takes to look.
    package enum Need: Hashable, Sendable {
        /// Nothing: it looks at how a plugin says hello.
        case nothing
        /// Any plugin that answers Plugin.Activate.
        case plugin
        /// A volume plugin, which is only asked and not changed.
        case volumePlugin
        /// A volume plugin on which volumes are made, mounted and removed.
        case consent
    }

    /// A name for it that stays, in small letters with hyphens.
    package let id: String
    package let severity: Severity
    /// The rule, in one sentence.
    package let title: String
    /// What in the engine makes it one, and since when.
    package let source: String
    package let need: Need
    /// Looks, and returns what it saw.
    ///
    /// Throws ``Violation``, ``NotObservable`` or, where a call got no answer that it needs, `PluginClientError`.
    let run: @Sendable (Session) async throws -> String

    package init(
        _ id: String, _ severity: Severity, _ title: String, source: String, needs need: Need,
        run: @escaping @Sendable (Session) async throws -> String
    ) {
        self.id = id
        self.severity = severity
        self.title = title
        self.source = source
        self.need = need
        self.run = run
    }

    /// Whether it changes volumes.
    package var isDestructive: Bool { need == .consent }
}

extension Check {
    /// Every check, in the order in which they are run.
    package static let all: [Check] =
        activation + requests + transport + answers + capabilities + lists + gets + robustness + lifecycle + mounts
        + unmounts + mountpoints + names + concurrency
}

/// A rule is broken.
struct Violation: Error, CustomStringConvertible {
    /// What was done, what came of it, and what that leads to, in one line.
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// It cannot be seen whether a rule is kept.
struct NotObservable: Error, CustomStringConvertible {
    /// Why.
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
