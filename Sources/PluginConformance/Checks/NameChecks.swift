// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import SystemPackage

extension Check {
    private static let anyText = "moby volume/mounts ValidateVolumeName: on Linux, any text gets through to plugins"

    /// What volumes may be called.
    static let names: [Check] = [
        Check(
            "name-ordinary", .required, "Names that engines and Compose make are taken",
            source: "64 hexadecimal digits for anonymous volumes, project_volume for Compose", needs: .consent
        ) { session in
            _ = try await session.newVolume()
            let stem = session.newName()
            let names = [
                stem + String(repeating: "0", count: 64 - stem.utf8.count), "\(stem)_db-data.1", "\(stem)-UPPER",
            ]
            for name in names {
                guard try await session.tryName(name) else {
                    throw Violation("\(await session.create(name))")
                }
            }
            return "created, found, listed and removed: \(names.listed())"
        },
        Check(
            "name-empty", .required, "A volume without a name is not created",
            source: "moby pkg/plugins/client.go: what comes without a name is a broken call", needs: .consent
        ) { session in
            for body: JSONValue in [["Name": "", "Opts": [:]], ["Opts": [:]]] {
                let exchange = await session.call("VolumeDriver.Create", body)
                if exchange.isSuccess { session.leaveAlone("") }
                guard exchange.isRefused || exchange.isHungUp else { throw Violation("\(exchange)") }
            }
            return "Create without a name and with an empty one is refused"
        },
        Check(
            "name-dots", .required, "'.' and '..' are not created",
            source: anyText, needs: .consent
        ) { session in
            for name in [".", ".."] {
                // Whoever takes these may well delete all volumes with them.
                let exchange = await session.call(
                    "VolumeDriver.Create", session.createRequest(name, options: session.options))
                if exchange.isSuccess { session.leaveAlone(name) }
                guard exchange.isRefused || exchange.isHungUp else {
                    throw exchange.violation("it is left there: to remove it could remove every volume")
                }
            }
            return "Create of '.' and '..' is refused"
        },
        Check(
            "name-traversal", .required, "Names with '..' and '/' in them lead nowhere else",
            source: anyText, needs: .consent
        ) { session in
            try await session.tryToGetOut()
        },
        Check(
            "name-odd", .required, "A name is refused, or taken as it is: found, listed and removed under it",
            source: anyText, needs: .consent
        ) { session in
            _ = try await session.newVolume()
            let stem = session.newName()
            let names = [
                "\(stem)/b", "\(stem) with blanks ", "-\(stem)", ".\(stem)", "\(stem)\u{0}x", "\(stem)\nx\u{1B}[31m",
                "\(stem)\u{E9}\u{1F4BE}", "\(stem)\"'\\$`%2F&<>", stem + String(repeating: "x", count: 300),
                stem + String(repeating: "x", count: 5000),
            ]
            var taken: [String] = []
            for name in names where try await session.tryName(name) { taken.append(name) }
            return taken.isEmpty ? "\(names.count) odd names, all refused" : "of odd names, taken: \(taken.listed(10))"
        },
        Check(
            "names-distinct", .required, "Volumes of different names are different",
            source: "every engine", needs: .consent
        ) { session in
            var shown: [String] = []
            for (one, two) in [("a b", "a_b"), ("a/b", "a_b"), ("a", "A"), ("a.b", "a-b"), ("a%2Fb", "a/b")] {
                let stem = session.newName()
                let names = ["\(stem)-\(one)", "\(stem)-\(two)"]
                var paths: [String] = []
                for name in names where await session.create(name).isSuccess {
                    if let path = Session.mountpoint(in: await session.mount(name, id: session.newID())) {
                        paths.append(path)
                    }
                }
                guard Set(paths).count == paths.count else {
                    throw Violation("\(names.listed()) are both mounted at '\(paths[0].printable(120))'")
                }
                shown += paths
            }
            guard shown.count > 1 else { throw NotObservable("no two volumes can be mounted") }
            return "mounted at \(shown.listed(4))"
        },
    ]
}

extension Session {
    /// Creates a volume of a name that may or may not be taken, and removes it.
    ///
    /// - Returns: Whether the name was taken.
    /// - Throws: ``Violation`` if it was taken, and the volume is not found under it.
    fileprivate func tryName(_ name: String) async throws -> Bool {
        let creation = await create(name)
        if creation.isRefused { return false }
        try creation.value()
        let found = await get(name)
        guard try found.volume()?["Name"]?.string == name else { throw Violation("\(creation); \(found)") }
        guard try await listedNames().contains(name) else { throw creation.violation("List does not have it") }
        let removal = await remove(name)
        guard removal.isSuccess, try await get(name).volume() == nil else { throw Violation("\(creation); \(removal)") }
        return true
    }

    /// Creates volumes whose names would lead out of the folder that volumes are in.
    fileprivate func tryToGetOut() async throws -> String {
        let folder = Self.folder(of: [try await newMountedVolume(), try await newMountedVolume()])
        let stem = newName()
        var refused = 0
        let names = ["../\(stem)", "../../\(stem)", "\(stem)/../../\(stem)", "/\(stem)/../../\(stem)"]
        for name in names {
            let creation = await create(name)
            guard creation.isSuccess else {
                guard creation.isRefused || creation.isHungUp else { throw Violation("\(creation)") }
                refused += 1
                continue
            }
            let mounting = await mount(name, id: newID())
            let told = [mounting, await path(name)].compactMap(Self.mountpoint)
            for path in told {
                guard FilePath(path).lexicallyNormalized().starts(with: folder),
                    !FilePath(path).components.contains(where: { $0.kind == .parentDirectory })
                else { throw Violation("\(creation); its path is '\(path.printable())', others are in '\(folder)'") }
            }
        }
        return refused == names.count ? "\(names.listed(4)) are refused" : "\(names.listed(4)) stay in '\(folder)'"
    }

    /// The folder that volumes are in, judging by some of them.
    private static func folder(of volumes: [MountedVolume]) -> FilePath {
        let paths = volumes.map { FilePath($0.mountpoint).lexicallyNormalized() }
        var folder = paths[0]
        while !paths.allSatisfy({ $0.starts(with: folder) }) { folder.removeLastComponent() }
        return folder
    }
}
