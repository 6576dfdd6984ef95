// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient
package import DockerPluginDiscovery
import Synchronization

/// Runs checks against a plugin, one after the other, and removes what they have made.
///
/// However the plugin behaves, it ends. A check that finds what it needs missing, because another rule is broken, is
/// skipped: one defect, one failure.
package struct ConformanceSuite: Sendable {
    /// What is looked at, in this order.
    package var checks = Check.all
    /// What volumes are created with.
    package var options: [String: String] = [:]
    /// Whether volumes may be made, mounted and removed.
    package var allowsChanges = false
    package var limits = Limits()
    /// Told of each result as it comes.
    package var whenChecked: @Sendable (CheckResult) -> Void = { _ in }

    package init() {}

    /// Runs the checks.
    ///
    /// - Parameters:
    ///   - plugin: What the plugin is called in the report.
    ///   - endpoint: Where it listens.
    /// - Returns: What came of them.
    /// - Throws: `PluginClientError` if there is no connection to the plugin, or one side does not trust the other.
    package func run(_ plugin: String, at endpoint: PluginEndpoint) async throws -> ConformanceReport {
        let session = Session(endpoint, options: options, allowsChanges: allowsChanges, limits: limits)
        let start = ContinuousClock.now
        try await session.connect().close()
        try await session.learnWhatItImplements()
        var results: [CheckResult] = []
        var end: String?
        for check in checks {
            var result: CheckResult
            if let reason = reasonToSkip(check, session, after: .now - start) ?? end {
                result = CheckResult(check, .skipped, reason)
            } else {
                result = await self.result(of: check, session)
                if let sign = await session.signOfDeath() {
                    end = "\(sign) since '\(check.id)'"
                    if result.outcome != .failed {
                        result = CheckResult(check, .failed, "\(sign): \(result.evidence)", after: result.duration)
                    }
                }
                await session.cleanUp(answers: end == nil)
            }
            results.append(result)
            whenChecked(result)
        }
        return ConformanceReport(
            plugin: plugin.printable(), address: endpoint.address.text.printable(), isDestructive: allowsChanges,
            results: results, leftovers: session.state.withLock(\.leftovers), duration: .now - start)
    }

    private func reasonToSkip(_ check: Check, _ session: Session, after elapsed: Duration) -> String? {
        if check.need != .nothing {
            guard let implements = session.state.withLock(\.implements) else { return "Plugin.Activate fails" }
            guard check.need == .plugin || implements.contains("VolumeDriver") else {
                return "the plugin is no VolumeDriver"
            }
        }
        if check.isDestructive, !allowsChanges { return CheckResult.needsConsent }
        return elapsed > limits.total ? "no time is left of \(limits.total.inSeconds)" : nil
    }

    private func result(of check: Check, _ session: Session) async -> CheckResult {
        let start = ContinuousClock.now
        let timeout = Violation("the check did not come to its end within \(limits.check.inSeconds)")
        let broken: CheckResult.Outcome = check.severity == .required ? .failed : .warning
        do {
            let evidence = try await withTimeLimit(limits.check, timeout) { try await check.run(session) }
            return CheckResult(check, .passed, evidence, after: .now - start)
        } catch let error as NotObservable {
            return CheckResult(check, .skipped, error.description, after: .now - start)
        } catch {
            return CheckResult(check, broken, "\(error)", after: .now - start)
        }
    }
}

extension Session {
    /// Asks the plugin what it is, for the choice of checks.
    ///
    /// - Throws: `PluginClientError` if the plugin wants another certificate: that may show in the first call only.
    fileprivate func learnWhatItImplements() async throws {
        let exchange = await activate()
        if case .failure(let error as PluginClientError) = exchange.reply, error.code == .untrusted { throw error }
        guard case .value(let value) = exchange.verdict else { return }
        let names = value["Implements"]?.array?.compactMap(\.string) ?? []
        state.withLock { $0.implements = names }
    }

    /// What is wrong with a plugin that is good for nothing any more; nil of one that is.
    fileprivate func signOfDeath() async -> String? {
        let (isGone, hasHung) = state.withLock { state in
            defer { state.hasHung = false }
            return (state.isGone, state.hasHung)
        }
        guard isGone || hasHung else { return nil }
        let connection: HTTPConnection
        do {
            connection = try await connect()
        } catch {
            return "the plugin takes no connections any more"
        }
        defer { connection.close() }
        let (method, body) = harmlessCall
        connection.send(request(method, body))
        do {
            _ = try await connection.receive(within: limits.secondChance)
        } catch let error as PluginClientError where error.code == .timedOut {
            return "the plugin does not answer any more"
        } catch {
            // That it hangs up is for the checks to find.
        }
        return nil
    }
}
