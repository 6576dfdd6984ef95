// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost

extension VolumeManager {
    /// Lets a volume hold more or less, whether it is mounted or not.
    ///
    /// - Parameters:
    ///   - name: The volume.
    ///   - text: The new size, as the option `size` takes it.
    /// - Returns: The size it has now.
    /// - Throws: ``VolumeError``; the volume has the size it had.
    package func resize(_ name: String, to text: String) async throws -> ByteSize {
        let name = try describe(name).name
        return try await work(on: name, for: .resizing, within: limits.copying) { deadline in
            try await self.resize(self.servable(name).volume, to: text, until: deadline)
        }
    }

    private func resize(
        _ volume: Volume, to text: String, until deadline: ContinuousClock.Instant
    ) async throws -> ByteSize {
        let driver = try driver(named: volume.driver)
        if !driver.allowsManyHosts(volume) { try await refuseIfHeldElsewhere(volume) }
        guard let driver = driver as? any ResizableDriver, let option = driver.info.option(named: "size") else {
            throw VolumeError(
                .invalidArgument,
                "volume '\(volume.name)' cannot be resized: driver '\(volume.driver)' limits no sizes")
        }
        let normal = try OptionParser.normalized(text, of: option, calledAs: "size")
        guard let size = ByteSize(normal) else { throw VolumeError(.invalidArgument, "'\(normal)' is no size") }
        var resized = volume
        resized.options = volume.options.with(size: size)
        resized.createdSize = volume.createdSize ?? volume.options.size
        try await BlockingWork.run { [choice, options = resized.options] in
            try driver.check(options)
            try choice.requireHardSize(driver, options)
        }
        let context = context(volume, secrets: try await secrets(of: volume), deadline: deadline)
        if let old = volume.options.size, size > old {
            resized.state = try await grow(volume, to: resized, of: size, with: driver, in: context)
        } else {
            // The disk first: a record that promises less than the storage lets in would be a lie.
            resized.state = try await driver.resize(volume, to: size, in: context)
        }
        do {
            try await commit { [resized] in try $0.save(resized) }
        } catch {
            throw VolumeError(
                .io,
                "volume '\(volume.name)' now has the size \(size), but that could not be written down: make room in "
                    + "'\(store.root)', and run the same again", cause: error)
        }
        update(volume.name) { $0.volume = resized }
        context.logger.info("volume resized", metadata: ["volume.size": "\(size)"])
        return size
    }

    /// Writes the new size down before there is more room: a crash on the way leaves a record that the next Mount makes true,
    /// and never a volume that holds more than its record says.
    private func grow(
        _ volume: Volume, to resized: Volume, of size: ByteSize, with driver: any ResizableDriver,
        in context: DriverContext
    ) async throws -> [String: String] {
        do {
            try await commit { try $0.save(resized) }
        } catch {
            throw VolumeError.failure(
                "volume '\(volume.name)' cannot be resized to \(size) and has the size it had: its record cannot be "
                    + "written", error)
        }
        do {
            return try await driver.resize(volume, to: size, in: context)
        } catch {
            do {
                try await commit { try $0.save(volume) }
            } catch {
                context.logger.warning(
                    "a resize has failed, and the record keeps the new size; after a restart of mobyfs the volume gets it",
                    metadata: ["error": "\(error)"])
            }
            throw error
        }
    }
}
