// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery
import MobyFSTesting
import SystemPackage
import Testing

@testable import PluginConformance

/// Short ones, for plugins that are quick unless they misbehave.
extension Limits {
    static var test: Limits {
        var limits = Limits()
        limits.call = .seconds(3)
        limits.secondChance = .seconds(3)
        limits.idle = .milliseconds(300)
        limits.slow = .milliseconds(700)
        limits.settling = .milliseconds(400)
        limits.clockStep = .zero
        return limits
    }
}

/// Checks a plugin that was started in a directory.
func verify(
    in root: FilePath, destructive: Bool = true, limits: Limits = .test, only checks: [Check] = Check.all
) async throws -> ConformanceReport {
    var suite = ConformanceSuite()
    suite.checks = checks
    suite.allowsChanges = destructive
    suite.limits = limits
    let address = PluginAddress(socket: root.appending("s.sock").string)
    return try await suite.run("test", at: PluginEndpoint(address))
}

extension ConformanceReport {
    /// The checks whose rules were seen broken.
    var broken: Set<String> {
        Set(results.filter { [.failed, .warning].contains($0.outcome) }.map(\.check.id))
    }

    /// For the message of a test that fails.
    var complaints: String {
        results.filter { $0.outcome != .passed }.map { "\($0.outcome) \($0.check.id): \($0.evidence)" }
            .joined(separator: "\n")
    }
}

/// Every rule is broken by somebody, and by nobody else's misbehaviour than what is said here.
@Suite struct MisbehaviourTests {
    typealias Case = (misbehaviour: Misbehaviour, breaks: Set<String>)

    static let cases: [Case] = [
        (.activatesWithNothing, ["activate-answers"]),
        (.implementsNothing, ["activate-implements"]),
        (.implementsTheUnknown, ["activate-known"]),
        (.activatesDifferently, ["activate-repeat"]),
        (.wantsAccept, ["activate-accept"]),
        (.refusesEmptyHost, ["host-empty"]),
        (.refusesEngineHost, ["host-localhost", "activate-answers"]),
        (.refusesOtherHosts, ["host-any"]),
        (.takesGET, ["post-only"]),
        (.takesUnknownCalls, ["unknown-call"]),
        (.refusesExpect, ["expect"]),
        (.refusesOldHTTP, ["http-1.0"]),
        (.refusesUnknownKeys, ["unknown-keys"]),
        (.wantsExactKeys, ["key-case"]),

        (.closesEachConnection, ["keep-alive"]),
        (.closesIdleConnections, ["idle-connections"]),
        (.dropsPipelinedCalls, ["pipelining"]),
        (.wantsCallsInOnePiece, ["split-request"]),
        (.takesFewConnections, ["parallel-connections"]),
        (.isHeldUpByOthers, ["stalled-connections"]),
        (.diesOfHangUps, ["hang-up"]),
        (.diesOfGarbage, ["garbage"]),
        (.isSlow, ["response-time"]),

        (.answersTwice, ["one-value"]),
        (.sendsErrorsAs500, ["errors-as-200"]),
        (.sendsErrorsAsText, ["errors-have-text", "errors-as-200"]),
        (.hasNoCapabilities, ["capabilities-answers"]),
        (.hasAnOddScope, ["capabilities-scope"]),
        (.wantsBodies, ["empty-read"]),
        (.listsText, ["list-answers"]),
        (.listsTwice, ["list-names", "parallel-creates"]),
        (.listsGhosts, ["get-listed"]),
        (.findsTheUnknown, ["get-unknown", "half-request"]),
        (.findsTheParent, ["get-hostile"]),
        (.answersAnEmptyGet, ["get-empty"]),
        (.answersAnEmptyPath, ["path-empty"]),
        (.hasNoPath, ["path"]),
        (.hasAnyPath, ["path-unknown"]),
        (.writesOddTimes, ["created-at"]),
        (.changesTimes, ["created-at-stays"]),
        (.writesStatusAsText, ["status-object"]),
        (.writesMountpointAsNumber, ["mountpoint-text"]),
        (.tellsRelativeMountpoints, ["mountpoint-absolute"]),

        (.refusesLargeBodies, ["large-body"]),
        (.guessesNames, ["broken-json"]),
        (.takesHalfACall, ["half-request"]),
        (.leavesHalfAVolume, ["create-hang-up"]),
        (.takesEmptyChanges, ["empty-change"]),
        (.createsNothing, ["create"]),
        (.refusesNullOptions, ["create-null-options"]),
        (.createsOnce, ["create-repeat", "parallel-creates"]),
        (.listsNothingNew, ["create-listed", "name-ordinary", "parallel-creates"]),
        (.answersNull, ["void-answers"]),
        (.keepsWhatIsRemoved, ["remove", "name-ordinary"]),
        (.refusesToRemoveTwice, ["remove-repeat"]),
        (.neverUsesANameAgain, ["create-again"]),
        (.liesAboutRemoval, ["remove-mounted"]),

        (.mountsAtARelativePath, ["mount"]),
        (.tellsAnotherPath, ["mount-path"]),
        (.tellsAnotherMountpoint, ["mount-get"]),
        (.mountsTheUnknown, ["mount-unknown"]),
        (.countsIDsOnce, ["mount-repeat"]),
        (.hasOneHolder, ["mount-two", "parallel-mounts"]),
        (.losesData, ["data-stays"]),
        (.mountsOnce, ["mount-again"]),
        (.refusesIDsAfterActivation, ["mount-crash"]),
        (.unmountsAtActivation, ["activate-mounted"]),
        (.ignoresHangUps, ["mount-hang-up"]),
        (.neverUnmounts, ["unmount", "mount-hang-up", "parallel-mounts", "parallel-volumes"]),
        (.countsAnyID, ["unmount-foreign"]),
        (.refusesUnknownIDs, ["unmount-unknown-id"]),
        (.refusesNeedlessUnmounts, ["unmount-repeat"]),
        (.refusesUnmountsOfUnknownVolumes, ["unmount-unknown"]),
        (.mountsNowhere, ["mountpoint-exists"]),
        (.mountsADeadDirectory, ["mountpoint-writable"]),
        (.leavesLostAndFound, ["mountpoint-empty"]),
        (.mountsProc, ["mountpoint-owner", "mountpoint-writable", "mountpoint-empty"]),

        (.wantsShortNames, ["name-ordinary"]),
        (.takesEmptyNames, ["name-empty"]),
        (.takesDots, ["name-dots"]),
        (.followsNames, ["name-traversal"]),
        (.trimsNames, ["name-odd"]),
        (.squashesNames, ["names-distinct"]),
        (.mountsOneAtATime, ["parallel-volumes", "parallel-mounts"]),
        (.racesOnCreate, ["parallel-creates"]),
        (.losesCounts, ["parallel-mounts", "unmount-foreign"]),
    ]

    /// Each plugin has many threads: not all at once.
    @Test(arguments: 0..<6) func findsWhatIsWrongAndNothingElse(part: Int) async throws {
        for (index, (misbehaviour, expected)) in Self.cases.enumerated() where index % 6 == part {
            try await withTemporaryDirectory { root in
                let plugin = try TestPlugin(in: root, misbehaviour)
                let report = try await verify(in: root)
                // Only root can be refused to be given away.
                let expected = Machine.isRoot ? expected : expected.subtracting(["mountpoint-owner"])
                #expect(report.broken == expected, "\(misbehaviour):\n\(report.complaints)")
                plugin.die()
            }
        }
    }

    /// What asks for a Content-Type understands none of an engine's calls but those without a body.
    @Test func findsThatAContentTypeIsAskedFor() async throws {
        try await withTemporaryDirectory { root in
            let plugin = try TestPlugin(in: root, .wantsContentType)
            let report = try await verify(in: root, destructive: false)
            #expect(report.broken.contains("content-type"), "\(report.complaints)")
            plugin.die()
        }
    }

    /// A check that nothing breaks checks nothing.
    @Test func everyCheckIsBrokenBySomebody() {
        let broken = Self.cases.reduce(into: Set(["content-type"])) { $0.formUnion($1.breaks) }
        #expect(broken == Set(Check.all.map(\.id)))
        #expect(Set(Self.cases.map(\.misbehaviour)).union([.wantsContentType]) == Set(Misbehaviour.allCases))
    }

    @Test func findsNothingWrongWithAGoodPlugin() async throws {
        try await withTemporaryDirectory { root in
            let plugin = try TestPlugin(in: root)
            let report = try await verify(in: root)
            #expect(report.results.allSatisfy { $0.outcome == .passed }, "\(report.complaints)")
            #expect(report.results.count == Check.all.count)
            #expect(report.leftovers == [])
            #expect(plugin.names == [])
            plugin.die()
        }
    }
}
