// SPDX-License-Identifier: Apache-2.0

import DockerPlugin

extension Check {
    private static let adapter = "moby volume/drivers/adapter.go"
    private static let lookup = "moby volume/service/store.go lookupVolume, since 1.13"

    /// What List tells.
    static let lists: [Check] = [
        Check(
            "list-answers", .required, "List is answered with the list of volumes",
            source: "\(adapter) List: else `docker volume ls` shows what the engine remembers", needs: .volumePlugin
        ) { session in
            let exchange = await session.list()
            switch try exchange.value()["Volumes"] {
            case .array, .null, nil: return "\(exchange)"
            default: throw exchange.violation("Volumes is no list")
            }
        },
        Check(
            "list-names", .required, "Each entry of List has a name, and none the same as another",
            source: "\(adapter) List", needs: .volumePlugin
        ) { session in
            _ = try await session.anyVolume()
            let entries = try await session.listedVolumes()
            let names = entries.compactMap { $0["Name"]?.string }.filter { !$0.isEmpty }
            guard names.count == entries.count else {
                throw Violation(
                    "VolumeDriver.List -> \(JSONValue.array(entries).encoded.excerpt()); an entry has no Name")
            }
            var seen: Set<String> = []
            if let twice = names.first(where: { !seen.insert($0).inserted }) {
                throw Violation("VolumeDriver.List has '\(twice.printable(80))' twice")
            }
            return "VolumeDriver.List -> \(names.listed())"
        },
    ]

    /// What Get and Path tell.
    static let gets: [Check] = [
        Check(
            "get-unknown", .required, "Get of a volume that does not exist says that there is none",
            source: "\(lookup): what is said to exist is not created", needs: .volumePlugin
        ) { session in
            let exchange = await session.get(session.newName())
            guard try exchange.volume() == nil else {
                throw exchange.violation("an engine never sends the Create for it")
            }
            return "\(exchange)"
        },
        Check(
            "get-hostile", .required, "Get of '', '.', '..', '/' and the like says that there is none",
            source: "moby volume/mounts ValidateVolumeName: on Linux, any text gets through to plugins",
            needs: .volumePlugin
        ) { session in
            var shown: [String] = []
            for name in ["", ".", "..", "../..", "/", "/etc", "a/../..", "\u{0}"] {
                let exchange = await session.get(name)
                guard try exchange.volume() == nil else { throw exchange.violation("nobody has created that") }
                shown.append("\(exchange)")
            }
            return shown.joined(separator: "; ")
        },
        Check(
            "get-empty", .required, "Get without a body is left without an answer",
            source:
                "\(lookup): a Get that is tried again has lost its body, and any answer means that the volume is gone",
            needs: .volumePlugin
        ) { session in
            let exchange = await session.call("VolumeDriver.Get")
            switch exchange.verdict {
            case .hungUp: return "\(exchange)"
            case .unanswered: throw Violation("\(exchange)")
            case .value, .refused, .unreadable:
                throw exchange.violation("an engine that was cut off now forgets the volume it had asked for")
            }
        },
        Check(
            "path", .required, "Path of a volume that exists is answered",
            source: "\(adapter) Path, up to 17.12: containers are created with it", needs: .volumePlugin
        ) { session in
            let exchange = await session.path(try await session.anyVolume())
            try exchange.value()
            return "\(exchange)"
        },
        Check(
            "path-unknown", .advised, "Path of a volume that does not exist is refused",
            source: "\(adapter) Path, up to 17.12", needs: .volumePlugin
        ) { session in
            let exchange = await session.path(session.newName())
            guard !exchange.isSuccess else { throw Violation("\(exchange)") }
            return "\(exchange)"
        },
        Check(
            "path-empty", .required, "Path without a body is refused, or left without an answer",
            source: "moby pkg/plugins/client.go: a call that is tried again has lost its body", needs: .volumePlugin
        ) { session in
            let exchange = await session.call("VolumeDriver.Path")
            guard exchange.isRefused || exchange.isHungUp else { throw Violation("\(exchange)") }
            return "\(exchange)"
        },
        Check(
            "get-listed", .required, "Get finds each volume that List lists, under the same name",
            source: "\(lookup): the name is taken from the answer", needs: .volumePlugin
        ) { session in
            let names = try await session.somethingListed().prefix(20)
            guard !names.isEmpty else { throw NotObservable("List has no volume") }
            for name in names {
                let exchange = await session.get(name)
                guard let volume = try exchange.volume() else {
                    // Somebody else may have removed it meanwhile.
                    guard try await session.listedNames().contains(name) else { continue }
                    throw exchange.violation("List has it")
                }
                guard volume["Name"]?.string == name else { throw exchange.violation("the name is another") }
            }
            return "VolumeDriver.Get -> \(Array(names).listed())"
        },
        Check(
            "created-at", .required, "CreatedAt is left out, or a time as in RFC 3339",
            source: "\(adapter), since 17.09: else the whole answer cannot be read, and Get's volume is gone",
            needs: .volumePlugin
        ) { session in
            try await session.requireOfVolumes("CreatedAt") { value in
                switch value {
                case .null, nil: nil
                case .string(let text): GoTime.complaint(about: text)
                default: "is no text"
                }
            }
        },
        Check(
            "created-at-stays", .advised, "CreatedAt of a volume stays the same",
            source: "shown by `docker volume inspect`", needs: .volumePlugin
        ) { session in
            let name = try await session.anyVolume()
            let first = await session.get(name)
            guard let time = try first.volume()?["CreatedAt"] else { throw NotObservable("\(first) has no CreatedAt") }
            try await Task.sleep(for: session.limits.clockStep)
            let second = await session.get(name)
            guard try second.volume()?["CreatedAt"] == time else {
                throw second.violation("before, it was \(time.encoded.excerpt(60))")
            }
            return "\(second), as before"
        },
        Check(
            "status-object", .required, "Status is left out, or an object",
            source: "\(adapter), since 1.12: else the whole answer cannot be read, and Get's volume is gone",
            needs: .volumePlugin
        ) { session in
            try await session.requireOfVolumes("Status") { value in
                switch value {
                case .null, .object, nil: nil
                default: "is no object"
                }
            }
        },
        Check(
            "mountpoint-text", .required, "Mountpoint is left out, or a text",
            source: "\(adapter): else the whole answer cannot be read, and Get's volume is gone", needs: .volumePlugin
        ) { session in
            try await session.requireOfVolumes("Mountpoint") { value in
                switch value {
                case .null, .string, nil: nil
                default: "is no text"
                }
            }
        },
        Check(
            "mountpoint-absolute", .advised, "A Mountpoint that Get or List tells is an absolute path, or empty",
            source: "\(adapter): it is shown to users as it is", needs: .volumePlugin
        ) { session in
            try await session.requireOfVolumes("Mountpoint") { value in
                guard let path = value?.string, !path.isEmpty, !path.hasPrefix("/") else { return nil }
                return "is no absolute path"
            }
        },
    ]
}

extension Session {
    /// Names of volumes that List lists; a new one is made if that is allowed.
    fileprivate func somethingListed() async throws -> [String] {
        let new = try await anyVolume()
        let names = try await listedNames()
        return names.contains(new) ? [new] + names.filter { $0 != new } : names
    }

    /// Makes sure that a member of each volume's description is right, in Get and in List.
    ///
    /// - Parameters:
    ///   - member: The member's name.
    ///   - complaint: What is wrong with a value; nil if nothing is.
    /// - Returns: What was seen.
    /// - Throws: ``Violation``, or ``NotObservable`` if there are no volumes.
    fileprivate func requireOfVolumes(
        _ member: String, _ complaint: (JSONValue?) -> String?
    ) async throws -> String {
        let name = try await anyVolume()
        let listing = await list()
        let entries = (try? listing.valueIfAny()["Volumes"]?.array) ?? []
        for entry in entries {
            guard let trouble = complaint(entry[member]) else { continue }
            throw Violation("VolumeDriver.List -> \(entry.encoded.excerpt()); \(member) \(trouble)")
        }
        var shown = ""
        for name in ([name] + entries.compactMap { $0["Name"]?.string }.filter { $0 != name }).prefix(20) {
            let exchange = await get(name)
            guard case .value(let value) = exchange.verdict, let volume = value["Volume"] else { continue }
            if let trouble = complaint(volume[member]) { throw exchange.violation("\(member) \(trouble)") }
            if shown.isEmpty { shown = "\(exchange)" }
        }
        guard !shown.isEmpty || !entries.isEmpty else { throw NotObservable("Get and List show no volume") }
        return shown
    }
}
