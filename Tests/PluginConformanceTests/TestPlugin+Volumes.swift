// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Glibc
import MobyFSHost
import MobyFSTesting
import Synchronization
import SystemPackage

// The calls of VolumeDriver.
extension TestPlugin {
    /// Why a name is none; nil if it is one.
    private func complaint(about name: String) -> String? {
        switch misbehaviour {
        case .takesEmptyNames where name.isEmpty: return nil
        case .takesDots where [".", ".."].contains(name): return nil
        case .followsNames where name.contains("/") && name.utf8.count < 200: return nil
        case .trimsNames where name.hasSuffix(" "): return nil
        case .squashesNames where name.utf8.count < 200 && name.contains { "/ ".contains($0) }: return nil
        case .wantsShortNames where name.utf8.count > 40: return "too long"
        default: break
        }
        let isRight =
            (1...255).contains(name.utf8.count) && name.first != "." && name.first != "-" && name.first != "_"
            && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_.-".contains($0)) }
        return isRight ? nil : "'\(name.prefix(20))' is no name"
    }

    private func stored(_ name: String) -> String {
        does(.trimsNames) ? String(name.reversed().drop { $0 == " " }.reversed()) : name
    }

    private func file(_ name: String) -> String {
        does(.squashesNames) ? String(name.map { "/ ".contains($0) ? "_" : $0 }) : name
    }

    func mountpoint(_ name: String) -> String {
        does(.mountsNowhere) ? "/mobyfs-nowhere/\(name)" : "\(root)/mnt/\(file(name))"
    }

    func create(_ name: String, _ options: JSONValue?) -> Answer {
        if let complaint = complaint(about: name) { return error(complaint) }
        let name = stored(name)
        if does(.createsNothing) || does(.refusesNullOptions) && options == .null { return error("no options") }
        if does(.racesOnCreate) {
            guard state.withLock({ $0.creating.insert(name).inserted }) else { return error("it is being created") }
            usleep(50_000)
            state.withLock { _ = $0.creating.remove(name) }
        }
        return state.withLock { state in
            if state.halves.contains(name) { return error("it exists") }
            if does(.neverUsesANameAgain), state.removed.contains(name) { return error("the name was used") }
            if state.volumes[name] != nil { return does(.createsOnce) ? error("it exists") : void }
            state.volumes[name] = Volume()
            return void
        }
    }

    func remove(_ name: String) -> Answer {
        if let complaint = complaint(about: name) { return error(complaint) }
        let name = stored(name)
        let answer = state.withLock { state -> Answer in
            guard let volume = state.volumes[name] else {
                return does(.refusesToRemoveTwice) ? error("no such volume") : void
            }
            guard volume.holders.isEmpty else { return does(.liesAboutRemoval) ? void : error("it is in use") }
            if !does(.keepsWhatIsRemoved) {
                state.volumes[name] = nil
                state.removed.insert(name)
            }
            return void
        }
        // Most were never mounted.
        if !exists(name) { try? TreeRemover.remove(data(name)) }
        return answer
    }

    private func exists(_ name: String) -> Bool { state.withLock { $0.volumes[name] != nil } }

    private func data(_ name: String) -> FilePath {
        FilePath("\(root)/data/\(String(name.map { $0 == "/" ? "_" : $0 }))")
    }

    func mount(_ name: String, _ id: String) -> Answer {
        guard let volume = state.withLock({ $0.volumes[stored(name)] }) else {
            return does(.mountsTheUnknown) ? .reply(["Mountpoint": "/"]) : error("no such volume")
        }
        if does(.refusesIDsAfterActivation), volume.isKnownFromBefore, volume.holders[id] != nil {
            return error("it is mounted already")
        }
        if does(.mountsOnce), volume.wasUnmounted, volume.holders.isEmpty { return error("it was mounted before") }
        if does(.mountsOneAtATime) {
            let isBusy = state.withLock { state in
                defer { state.isMounting = true }
                return state.isMounting
            }
            if isBusy { return error("try again") }
            usleep(100_000)
            state.withLock { $0.isMounting = false }
        }
        // As if nobody else could come between reading and writing.
        let before = volume.holders.values.reduce(0, +)
        if does(.losesCounts) { usleep(100_000) }
        hold(stored(name)) { holders in
            if does(.losesCounts) { return holders = ["any": before + 1] }
            if does(.hasOneHolder) { holders = holders.filter { $0.key == id } }
            holders[id, default: 0] += does(.countsIDsOnce) && holders[id] != nil ? 0 : 1
        }
        lead(stored(name))
        return .reply(["Mountpoint": .string(does(.mountsAtARelativePath) ? "mnt/\(name)" : mountpoint(name))])
    }

    /// Takes back a mount whose caller is gone.
    func undoMount(_ body: [UInt8]) {
        guard let request = try? JSONValue(parsing: body), let name = request["Name"]?.string else { return }
        _ = unmount(name, request["ID"]?.string ?? "")
    }

    func unmount(_ name: String, _ id: String) -> Answer {
        let name = stored(name)
        guard let volume = state.withLock({ $0.volumes[name] }) else {
            return does(.refusesUnmountsOfUnknownVolumes) ? error("no such volume") : void
        }
        if volume.holders.isEmpty { return does(.refusesNeedlessUnmounts) ? error("it is not mounted") : void }
        if does(.refusesUnknownIDs), volume.holders[id] == nil { return error("no such ID") }
        if does(.neverUnmounts) { return void }
        hold(name) { holders in
            let any = does(.countsAnyID) || does(.losesCounts) ? holders.keys.first : nil
            guard let key = holders[id] != nil ? id : any else { return }
            holders[key, default: 0] -= 1
            if holders[key] == 0 { holders[key] = nil }
        }
        if state.withLock({ $0.volumes[name]?.holders.isEmpty == true }) {
            unlink(mountpoint(name))
            state.withLock { $0.volumes[name]?.wasUnmounted = true }
            if does(.losesData) { try? TreeRemover.remove(data(name)) }
        }
        return void
    }

    private func hold(_ name: String, _ change: (inout [String: Int]) -> Void) {
        state.withLock { state in
            guard var volume = state.volumes[name] else { return }
            change(&volume.holders)
            state.volumes[name] = volume
        }
    }

    /// Has the mountpoint lead to the data.
    private func lead(_ name: String) {
        guard !does(.mountsNowhere), !does(.followsNames) || !name.contains("/") else { return }
        let data = data(name)
        _ = try? Directories.create(data, mode: 0o755)
        if does(.leavesLostAndFound) {
            _ = try? Directories.create(data.appending("lost+found"), mode: 0o700)
        }
        switch misbehaviour {
        case .mountsProc: symlink("/proc/self/fdinfo", mountpoint(name))
        case .mountsADeadDirectory:
            let dead = "\(root)/dead-\(file(name))"
            mkdir(dead, 0o755)
            // Stays open until the test process ends.
            let descriptor = open(dead, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            rmdir(dead)
            symlink("/proc/self/fd/\(descriptor)", mountpoint(name))
        default: symlink(data.string, mountpoint(name))
        }
    }

    // MARK: Asking

    func list() -> Answer {
        if does(.listsText) { return .reply(["Volumes": "none"]) }
        var names = does(.listsNothingNew) ? [] : names
        if does(.listsTwice) { names += names }
        if does(.listsGhosts) { names.append("ghost") }
        return .reply(["Volumes": .array(names.map { description($0) })])
    }

    func path(_ name: String) -> Answer {
        let isThere = exists(stored(name))
        guard !does(.hasNoPath), isThere || does(.hasAnyPath) else { return error("no such volume") }
        let isMounted = state.withLock { $0.volumes[stored(name)]?.holders.isEmpty == false }
        return .reply(["Mountpoint": .string(mountpoint(name) + (does(.tellsAnotherPath) && isMounted ? "/x" : ""))])
    }

    func get(_ name: String) -> Answer {
        let name = stored(name)
        if does(.findsTheParent), name == ".." { return .reply(["Volume": ["Name": ".."]]) }
        if does(.findsTheUnknown), complaint(about: name) == nil, !state.withLock({ $0.removed.contains(name) }) {
            return .reply(["Volume": ["Name": .string(name)]])
        }
        return exists(name) ? .reply(["Volume": description(name)]) : error("no such volume")
    }

    private func description(_ name: String) -> JSONValue {
        let holders = state.withLock { $0.volumes[name]?.holders ?? [:] }
        var time = "2026-11-21T10:00:00.123456789+01:00"
        if does(.writesOddTimes) { time = "2026-11-21 10:00:00" }
        if does(.changesTimes) { time = "2026-11-21T10:00:00.\(state.withLock(\.calls.count))Z" }
        var mountpoint = JSONValue.string(mountpoint(name))
        switch misbehaviour {
        case .writesMountpointAsNumber: mountpoint = 1
        case .tellsRelativeMountpoints where holders.isEmpty: mountpoint = "mnt/x"
        case .tellsAnotherMountpoint where !holders.isEmpty: mountpoint = "/mnt/x"
        default: break
        }
        return [
            "Name": .string(name), "Mountpoint": mountpoint, "CreatedAt": .string(time),
            "Status": does(.writesStatusAsText)
                ? "fine" : ["mounts": .integer(Int64(holders.values.reduce(0, +))), "kind": "test"],
        ]
    }
}
