// SPDX-License-Identifier: Apache-2.0

import DockerPlugin

extension Check {
    private static let locks = "moby volume/service/store.go"

    /// What happens at the same time.
    static let concurrency: [Check] = [
        Check(
            "parallel-volumes", .required, "Eight volumes can be made, mounted, unmounted and removed at once",
            source: "\(locks): engines hold a lock for each name, not for each plugin", needs: .consent
        ) { session in
            _ = try await session.newMountedVolume()
            return try await session.atOnce(8) { _ in
                let name = session.newName()
                let id = session.newID()
                try await session.create(name).value()
                try await session.mount(name, id: id).value()
                let found = await session.get(name)
                guard try found.volume()?["Name"]?.string == name else { throw Violation("\(found)") }
                try await session.unmount(name, id: id).value()
                try await session.remove(name).value()
                return "8 volumes at once were created, mounted, found, unmounted and removed"
            }
        },
        Check(
            "parallel-creates", .advised,
            "Create of one volume, 16 times at once with the same options, succeeds each time",
            source: "\(locks): one engine locks the name, several do not know of each other", needs: .consent
        ) { session in
            _ = try await session.newVolume()
            let name = session.newName()
            let evidence = try await session.atOnce(16) { _ in
                let exchange = await session.create(name)
                try exchange.value()
                return "16 times at once \(exchange)"
            }
            guard try await session.listedNames().count(where: { $0 == name }) == 1 else {
                throw Violation("after 16 times Create of '\(name)' at once, List does not have it once")
            }
            return evidence
        },
        Check(
            "parallel-mounts", .required, "Mounts and Unmounts of one volume, 16 at once, are counted right",
            source: "\(locks): engines hold no lock for them", needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            let mark = await session.mark(volume)
            let ids = (0..<16).map { _ in session.newID() }
            _ = try await session.atOnce(16) { index in
                try await session.mount(volume.name, id: ids[index]).value()
                return ""
            }
            _ = try await session.atOnce(16) { index in
                try await session.unmount(volume.name, id: ids[index]).value()
                return ""
            }
            let evidence = try await session.requireStillMounted(
                volume, mark, after: "16 Mounts at once and their Unmounts at once")
            try await session.unmount(volume.name, id: volume.id).value()
            let removal = await session.remove(volume.name)
            guard removal.isSuccess else { throw removal.violation("after 17 Mounts and 17 Unmounts") }
            return "\(evidence); then \(removal)"
        },
    ]
}

extension Session {
    /// Does something several times at once.
    ///
    /// - Returns: What one of them returned.
    /// - Throws: What the first of them threw that threw, when all have ended.
    fileprivate func atOnce(
        _ count: Int, _ body: @escaping @Sendable (Int) async throws -> String
    ) async throws -> String {
        let outcomes = await withTaskGroup(of: Result<String, any Error>.self) { group in
            for index in 0..<count {
                group.addTask {
                    do { return .success(try await body(index)) } catch { return .failure(error) }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        var evidence = ""
        for outcome in outcomes { evidence = try outcome.get() }
        return evidence
    }
}
