// SPDX-License-Identifier: Apache-2.0

/// A way by which bytes of others get into mobyfs.
///
/// A fuzzer calls ``check(_:)`` millions of times, and the tests with all that it has found worth keeping.
package enum FuzzTarget: String, CaseIterable, Sendable {
    /// What a client sends to the plugin's socket; at a byte 0xFF it takes a breath.
    case http
    /// JSON as the plugin's own reader takes it.
    case json
    /// A call of the command line: the name of a call, a line break, the body.
    case control
    /// The options of a volume: the name of a driver, then `KEY=VALUE`, each on a line.
    case options
    /// A file in a folder where engines look for plugins.
    case spec
    /// /proc/PID/mountinfo, which has names in it that containers choose.
    case mountinfo
    /// `record.json`.
    case records
    /// A file of `holders/`.
    case holders
    /// A tar stream, as it is looked at before tar gets it.
    case tar
    /// A tar stream, extracted.
    case extract

    /// Lets the code that serves the daemon have the bytes.
    ///
    /// Blocks.
    ///
    /// - Parameter bytes: Anything.
    /// - Throws: ``FuzzFinding`` for a result that cannot be right.
    package func check(_ bytes: [UInt8]) throws {
        switch self {
        case .http: try HTTPFuzzing.check(bytes)
        case .json: try JSONFuzzing.check(bytes)
        case .control: try ControlFuzzing.check(bytes)
        case .options: try OptionFuzzing.check(bytes)
        case .spec: try SpecFuzzing.check(bytes)
        case .mountinfo: try MountTableFuzzing.check(bytes)
        case .records: try RecordFuzzing.check(bytes)
        case .holders: try HolderFuzzing.check(bytes)
        case .tar: try TarFuzzing.check(bytes)
        case .extract: try TarFuzzing.extract(bytes)
        }
    }
}

/// A result that cannot be right.
package struct FuzzFinding: Error, CustomStringConvertible {
    package let description: String

    /// Throws unless something holds.
    static func require(_ holds: Bool, _ otherwise: @autoclosure () -> String) throws(FuzzFinding) {
        guard holds else { throw FuzzFinding(description: otherwise()) }
    }
}
