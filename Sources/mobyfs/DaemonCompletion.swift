// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MobyFSDaemon

/// What a shell offers at the tabulator key, as the daemon knows it; nothing where it cannot be asked.
extension CompletionKind {
    /// The names of volumes, but for those that are there already.
    static let volumeNames = asking { daemon, words, index in
        let others = words.prefix(index) + words.dropFirst(index + 1)
        return try await daemon.call(ListVolumes()).answer.volumes.map(\.name).filter { !others.contains($0) }
    }

    /// The snapshots of the volume that is named before.
    static let snapshotNames = asking { daemon, words, index in
        guard words.indices.contains(index - 1) else { return [] }
        return try await daemon.call(ListSnapshots(name: words[index - 1])).answer.snapshots.map(\.name)
    }

    /// What is in the trash: each name once, then the IDs.
    static let trashItems = asking { daemon, _, _ in
        let items = try await daemon.call(ListTrash()).answer.items
        return Set(items.map(\.name)).sorted() + items.map(\.id)
    }

    static let driverNames = asking { daemon, _, _ in
        try await daemon.call(ListDrivers()).answer.drivers.map(\.name)
    }

    /// The options that a new volume can have, up to their values.
    static let optionNames = asking { daemon, _, _ in
        let options = try await daemon.call(ListDrivers()).answer.drivers.flatMap(\.options)
        return Set(options.map { "\($0.name)=" }).sorted()
    }

    private static func asking(
        _ answer: @escaping @Sendable (DaemonOptions, [String], Int) async throws -> [String]
    ) -> CompletionKind {
        .custom { words, index, _ in
            var given: [String] = []
            for (word, next) in zip(words, words.dropFirst()) where ["--config", "--runtime-dir"].contains(word) {
                given += [word, next]
            }
            // There is nobody to complain to in the middle of a line.
            return (try? await answer(DaemonOptions.parse(given), words, index)) ?? []
        }
    }
}
