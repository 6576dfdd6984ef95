// SPDX-License-Identifier: Apache-2.0

import DockerPlugin

extension Check {
    private static let proxy = "moby volume/drivers/proxy.go"

    /// How volumes come and go.
    static let lifecycle: [Check] = [
        Check(
            "create", .required, "After Create, Get finds the volume under its name",
            source: "moby volume/service/store.go create, every engine", needs: .consent
        ) { session in
            let name = session.newName()
            let exchange = await session.create(name)
            try exchange.value()
            let found = await session.get(name)
            guard let volume = try found.volume(), volume["Name"]?.string == name else {
                throw Violation("\(exchange); \(found)")
            }
            return "\(exchange); \(found)"
        },
        Check(
            "create-null-options", .required, "Create with Opts null is taken as with {}",
            source: "\(proxy): `docker run -v` sends null, `docker volume create` {}", needs: .consent
        ) { session in
            let empty = await session.create(session.newName(), options: [:])
            let null = await session.create(session.newName(), options: nil)
            guard empty.isSuccess == null.isSuccess, empty.isRefused == null.isRefused else {
                throw Violation("\(empty), but \(null)")
            }
            return "\(empty); \(null)"
        },
        Check(
            "create-repeat", .required, "Create of a volume that exists with the same options succeeds",
            source: "moby volume/service/store.go create: it follows on any failed Get, and on retries by hand",
            needs: .consent
        ) { session in
            let name = try await session.newVolume()
            let again = await session.create(name)
            if !again.isSuccess { throw again.violation("the same was sent before, and succeeded") }
            let found = await session.get(name)
            guard try found.volume() != nil else { throw found.violation("it was created twice") }
            return "\(again), twice"
        },
        Check(
            "create-listed", .required, "List has a volume that was created, under its name",
            source: "moby volume/drivers/adapter.go List", needs: .consent
        ) { session in
            let name = try await session.newVolume()
            let names = try await session.listedNames()
            guard names.contains(name) else {
                throw Violation("'\(name)' was created, and is not among what VolumeDriver.List has: \(names.listed())")
            }
            return "VolumeDriver.List has '\(name)'"
        },
        Check(
            "void-answers", .advised, "Create, Unmount and Remove are answered with an object",
            source: "\(proxy): engines make do with null", needs: .consent
        ) { session in
            let name = session.newName()
            let exchanges = [
                await session.create(name), await session.unmount(name, id: session.newID()),
                await session.remove(name),
            ].filter(\.isSuccess)
            guard !exchanges.isEmpty else { throw NotObservable("none of them succeeds") }
            for exchange in exchanges {
                guard case .value(.object) = exchange.verdict else {
                    throw exchange.violation("'{}' is the answer to that")
                }
            }
            return exchanges.map { "\($0)" }.joined(separator: "; ")
        },
        Check(
            "remove", .required, "After Remove, neither Get nor List has the volume",
            source: "moby volume/service/store.go Remove, every engine", needs: .consent
        ) { session in
            let name = try await session.newVolume()
            let exchange = await session.remove(name)
            try exchange.value()
            let found = await session.get(name)
            guard try found.volume() == nil else { throw Violation("\(exchange); \(found)") }
            guard try await !session.listedNames().contains(name) else {
                throw exchange.violation("List still has it")
            }
            return "\(exchange); \(found)"
        },
        Check(
            "remove-repeat", .advised, "Remove of a volume that is gone succeeds",
            source: "\(proxy): calls may be repeated, by engines and by people", needs: .consent
        ) { session in
            let name = try await session.newVolume()
            _ = try await session.remove(name).valueIfAny()
            let again = await session.remove(name)
            if !again.isSuccess { throw again.violation("it was removed before") }
            return "\(again), twice"
        },
        Check(
            "create-again", .required, "A name can be used again after Remove",
            source: "moby volume/service/store.go, every engine", needs: .consent
        ) { session in
            let name = try await session.newVolume()
            _ = try await session.remove(name).valueIfAny()
            let again = await session.create(name)
            if !again.isSuccess { throw again.violation("the volume of that name was removed before") }
            let found = await session.get(name)
            guard try found.volume() != nil else { throw Violation("\(again); \(found)") }
            return "after Remove: \(again)"
        },
        Check(
            "remove-mounted", .required, "What Remove says of a volume that is mounted is so",
            source: "an engine that crashed or another one may hold it", needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            let mark = await session.mark(volume)
            let exchange = await session.remove(volume.name)
            let found = await session.get(volume.name)
            // What has no volume any more may still be mounted.
            if exchange.isSuccess { _ = await session.unmount(volume.name, id: volume.id) }
            let isThere = try found.volume() != nil
            guard exchange.isSuccess == !isThere else { throw Violation("\(exchange); \(found)") }
            if isThere, let mark, try await !session.hasMark(mark, at: volume.mountpoint) {
                throw exchange.violation("the file that was in '\(volume.mountpoint)' is gone")
            }
            return "\(exchange); \(found)"
        },
    ]
}
