// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Glibc
import MobyFSHost
import MobyFSTesting
import Synchronization
import SystemPackage

/// A volume plugin that keeps every rule but the one it was told to break.
///
/// A volume's data is in `data/NAME`, and while it is mounted `mnt/NAME` leads there.
final class TestPlugin: Sendable {
    /// What is to be done about a call.
    enum Answer {
        case reply(JSONValue, status: Int = 200)
        case bytes([UInt8], status: Int = 200)
        case hangUp
    }

    struct Volume {
        var holders: [String: Int] = [:]
        var isKnownFromBefore = false
        var wasUnmounted = false
    }

    struct State {
        var volumes: [String: Volume] = [:]
        /// Names of volumes that were removed.
        var removed: Set<String> = []
        /// Names of which there is half a volume.
        var halves: Set<String> = []
        var activations = 0
        var isMounting = false
        var creating: Set<String> = []
        /// The methods that were called.
        var calls: [String] = []
        var connections = 0
    }

    let root: FilePath
    let misbehaviour: Misbehaviour?
    let state = Mutex(State())
    private let server = Mutex<RawServer?>(nil)

    /// Starts a plugin whose socket is `s.sock` in an empty directory.
    init(in root: FilePath, _ misbehaviour: Misbehaviour? = nil) throws {
        self.root = root
        self.misbehaviour = misbehaviour
        for directory in ["data", "mnt"] { try Directories.create(root.appending(directory), mode: 0o755) }
        let server = try RawServer(root.appending("s.sock")) { [weak self] connection in
            try self?.serve(connection)
        }
        self.server.withLock { $0 = server }
    }

    /// The volumes there are.
    var names: [String] { state.withLock { $0.volumes.keys.sorted() } }
    /// The methods that were called.
    var calls: [String] { state.withLock(\.calls) }

    func does(_ misbehaviour: Misbehaviour) -> Bool { self.misbehaviour == misbehaviour }

    /// Takes no more connections.
    func die() {
        server.withLock { $0 = nil }
    }

    // MARK: Calls

    func answer(_ method: String, _ body: [UInt8]) -> Answer {
        state.withLock { $0.calls.append(method) }
        switch method {
        case "Plugin.Activate": return activate()
        case "VolumeDriver.Capabilities":
            if does(.hasNoCapabilities) { return .reply(["Err": "unknown"], status: 404) }
            if does(.isSlow) { usleep(1_000_000) }
            return .reply(["Capabilities": ["Scope": does(.hasAnOddScope) ? "cluster" : "local"]])
        case "VolumeDriver.List": return body.isEmpty && does(.wantsBodies) ? error("EOF", status: 400) : list()
        case "VolumeDriver.MobyFSVerify":
            return does(.takesUnknownCalls) ? .reply([:]) : error("unknown call", status: 404)
        default: break
        }
        if body.isEmpty, let answer = answerToNothing(method) { return answer }
        let request: JSONValue
        do {
            request = try JSONValue(parsing: body)
        } catch {
            return does(.guessesNames) && method == "VolumeDriver.Get"
                ? .reply(["Volume": ["Name": "x"]]) : self.error("\(error)", status: 400)
        }
        let name = does(.wantsExactKeys) ? request.exactly("Name") : request["Name"]
        guard let name = name?.string else { return error("the request has no Name", status: 400) }
        if does(.refusesUnknownKeys), request["Labels"] != nil { return error("unknown key 'Labels'", status: 400) }
        switch method {
        case "VolumeDriver.Create": return create(name, request["Opts"])
        case "VolumeDriver.Remove": return remove(name)
        case "VolumeDriver.Mount": return mount(name, request["ID"]?.string ?? "")
        case "VolumeDriver.Unmount": return unmount(name, request["ID"]?.string ?? "")
        case "VolumeDriver.Path": return path(name)
        case "VolumeDriver.Get": return get(name)
        default: return error("unknown call", status: 404)
        }
    }

    func error(_ text: String, status: Int = 200) -> Answer {
        let status = status == 200 && (does(.sendsErrorsAsText) || does(.sendsErrorsAs500)) ? 500 : status
        return does(.sendsErrorsAsText)
            ? .bytes(Array(text.utf8), status: status) : .reply(["Err": .string(text)], status: status)
    }

    var void: Answer { does(.answersNull) ? .reply(.null) : .reply([:]) }

    private func activate() -> Answer {
        let number = state.withLock { state in
            state.activations += 1
            if does(.unmountsAtActivation) {
                for name in state.volumes.keys { state.volumes[name]?.holders = [:] }
            }
            if does(.refusesIDsAfterActivation) {
                for name in state.volumes.keys { state.volumes[name]?.isKnownFromBefore = true }
            }
            return state.activations
        }
        if does(.unmountsAtActivation) {
            for name in state.withLock({ $0.volumes.keys }) { unlink(mountpoint(name)) }
        }
        switch misbehaviour {
        case .activatesWithNothing: return .bytes([])
        case .implementsNothing: return .reply(["Implements": .array([])])
        case .implementsTheUnknown: return .reply(["Implements": .array(["VolumeDriver", "volumedriver"])])
        case .activatesDifferently where number % 2 == 0:
            return .reply(["Implements": .array(["VolumeDriver", "authz"])])
        case .answersTwice: return .bytes(Array(#"{"Implements":["VolumeDriver"]}{}"#.utf8))
        default: return .reply(["Implements": .array(["VolumeDriver"])])
        }
    }

    /// What is answered to a call without a body.
    private func answerToNothing(_ method: String) -> Answer? {
        switch method {
        case "VolumeDriver.Get": return does(.answersAnEmptyGet) ? error("EOF", status: 400) : .hangUp
        case "VolumeDriver.Path": return does(.answersAnEmptyPath) ? .reply(["Mountpoint": ""]) : .hangUp
        case "VolumeDriver.Create" where does(.takesEmptyChanges):
            state.withLock { $0.volumes[""] = Volume() }
            return void
        default: return nil
        }
    }
}

extension JSONValue {
    /// The member of just this name.
    fileprivate func exactly(_ key: String) -> JSONValue? {
        if case .object(let members) = self { members[key] } else { nil }
    }
}
