// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient

/// A call and what came of it; described in one line, it is the evidence.
struct Exchange: Sendable {
    /// What an engine makes of it.
    enum Verdict: Sendable {
        /// The call succeeded with this object, or with null.
        case value(JSONValue)
        /// The plugin says no.
        case refused(String)
        /// There is an answer that an engine cannot read.
        case unreadable(String)
        /// The plugin closed the connection without an answer.
        case hungUp
        /// There is no answer for another reason.
        case unanswered
    }

    /// What was sent: `VolumeDriver.Get {"Name":"x"}`.
    let request: String
    let reply: Result<PluginReply, any Error>
    let verdict: Verdict
    let duration: Duration

    init(
        request: String, reply: Result<PluginReply, any Error>, duration: Duration,
        read: (PluginReply) throws -> JSONValue
    ) {
        self.request = request
        self.reply = reply
        self.duration = duration
        verdict = Self.verdict(on: reply, read: read)
    }

    private static func verdict(
        on reply: Result<PluginReply, any Error>, read: (PluginReply) throws -> JSONValue
    ) -> Verdict {
        let answer: PluginReply
        switch reply {
        case .success(let reply): answer = reply
        case .failure(let error as PluginClientError): return error.code == .dropped ? .hungUp : .unanswered
        case .failure: return .unanswered
        }
        do {
            let value = try read(answer)
            switch value {
            case .object, .null: return .value(value)
            // Go decodes into a struct.
            default: return .unreadable("engines want a JSON object")
            }
        } catch let error as PluginClientError where error.code == .refused {
            return .refused(error.description)
        } catch {
            return .unreadable("\(error)")
        }
    }

    /// The answer, if there is one.
    var answer: PluginReply? {
        if case .success(let reply) = reply { reply } else { nil }
    }
}

extension Exchange: CustomStringConvertible {
    var description: String { "\(request) -> \(outcome)" }

    private var outcome: String {
        switch reply {
        case .success(let reply):
            "\(reply.status) " + (reply.body.isEmpty ? "and an empty body" : reply.body.excerpt())
        case .failure(let error):
            switch (error as? PluginClientError)?.code {
            case .dropped: "hung up without an answer"
            case .timedOut: "no answer within \(duration.inSeconds)"
            default: "\(error)"
            }
        }
    }

    /// What to throw when this has broken a rule.
    func violation(_ reason: String) -> Violation {
        Violation("\(self); \(reason)")
    }
}

extension Exchange {
    /// The value of a call that must succeed for the rule to be kept.
    ///
    /// - Throws: ``Violation``.
    @discardableResult
    func value() throws -> JSONValue {
        switch verdict {
        case .value(let value): return value
        case .unreadable(let reason): throw violation(reason)
        default: throw Violation("\(self)")
        }
    }

    /// The value of a call that is but the way to something else.
    ///
    /// - Throws: ``NotObservable``: another check has failed over it.
    func valueIfAny() throws -> JSONValue {
        if case .value(let value) = verdict { return value }
        throw NotObservable("\(self)")
    }

    var isSuccess: Bool {
        if case .value = verdict { true } else { false }
    }

    /// Whether time was up, or there was no connection.
    var isUnanswered: Bool {
        if case .unanswered = verdict { true } else { false }
    }

    /// Whether the plugin answered and said no.
    var isRefused: Bool {
        if case .refused = verdict { true } else { false }
    }

    /// Whether the plugin closed the connection without an answer.
    var isHungUp: Bool {
        if case .hungUp = verdict { true } else { false }
    }

    /// The volume that a Get found; nil if an engine takes it for absent.
    ///
    /// - Throws: ``Violation`` if there is no answer, so that nothing is said either way.
    func volume() throws -> JSONValue? {
        switch verdict {
        case .value(let value):
            guard let volume = value["Volume"], volume != .null else { return nil }
            return volume
        case .refused: return nil
        case .unreadable, .hungUp, .unanswered: throw Violation("\(self)")
        }
    }
}
