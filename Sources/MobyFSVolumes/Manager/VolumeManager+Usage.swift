// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import SystemPackage

/// How full one volume is, or why that cannot be said.
package struct VolumeUsageReport: Sendable {
    package let name: VolumeName
    package let driver: String?
    /// How much it may hold; nil if nobody has said.
    package let size: ByteSize?
    package let usage: Result<VolumeUsage, any Error>
}

extension VolumeManager {
    private static let walker = HelperProgram("du", package: "coreutils")
    /// How many volumes are looked at side by side.
    private static let width = 4

    /// Says how full volumes are.
    ///
    /// What a quota or a file system counts is asked for; the files of all others are looked at, for at most as long as
    /// a call may take.
    ///
    /// - Parameter names: Which; none for all.
    /// - Returns: One report for each, by name.
    /// - Throws: ``VolumeError`` if there is no such volume.
    package func usage(of names: [String]) async throws -> [VolumeUsageReport] {
        let deadline = ContinuousClock.now + limits.long
        await checkPool()
        var volumes = try names.isEmpty ? describeAll() : names.map { try describe($0) }
        volumes.reverse()
        return await withTaskGroup { group in
            var reports: [VolumeUsageReport] = []
            for _ in 0..<Self.width {
                if let next = volumes.popLast() { group.addTask { await self.report(on: next, until: deadline) } }
            }
            for await report in group {
                reports.append(report)
                if let next = volumes.popLast() { group.addTask { await self.report(on: next, until: deadline) } }
            }
            return reports.sorted { $0.name < $1.name }
        }
    }

    private func report(
        on description: VolumeDescription, until deadline: ContinuousClock.Instant
    ) async -> VolumeUsageReport {
        let usage: Result<VolumeUsage, any Error>
        do {
            guard let volume = description.volume else {
                throw Self.troubled(description.name, description.trouble ?? "see its status")
            }
            usage = .success(try await self.usage(of: volume, until: deadline))
        } catch {
            usage = .failure(error)
        }
        return VolumeUsageReport(
            name: description.name, driver: description.volume?.driver, size: description.volume?.options.size,
            usage: usage)
    }

    private func usage(of volume: Volume, until deadline: ContinuousClock.Instant) async throws -> VolumeUsage {
        let (driver, context) = (try driver(named: volume.driver), context(volume, deadline: deadline))
        if let poolSickness, driver.keepsDataInside(volume) { throw VolumeError(.unavailable, poolSickness) }
        let path = driver.mountpoint(of: volume, in: context)
        // A server that does not answer is waited for as long as everybody else can wait.
        let patience = min(deadline, .now + .seconds(10))
        let known = try await BlockingWork.run(until: patience, "look at '\(path)'") {
            if let trouble = self.troubleWithData(of: volume) { throw VolumeError(.unavailable, trouble) }
            if let usage = try driver.usage(of: volume, in: context) { return usage as VolumeUsage? }
            let isOwn = try path.starts(with: context.mounts) && Mounts.entry(at: context.mounts) != nil
            return isOwn ? try VolumeUsage(ofFileSystemAt: path) : nil
        }
        if let known { return known }
        guard !path.starts(with: context.mounts) else {
            // Who holds it is not told to use it.
            let failure = entry(volume.name).flatMap { $0.holders.isEmpty ? nil : $0.mountFailure }
            throw VolumeError(.unavailable, failure ?? "volume '\(volume.name)' is not mounted")
        }
        return try await Self.walk(path.string, until: deadline)
    }

    private static func walk(_ path: String, until deadline: ContinuousClock.Instant) async throws -> VolumeUsage {
        VolumeUsage(
            usedBytes: try await walk(path, counting: "--block-size=1", until: deadline),
            freeBytes: try await BlockingWork.run { try Directories.freeBytes(of: .init(path)) },
            // Without the root itself.
            usedInodes: try await walk(path, counting: "--inodes", until: deadline) - 1, source: .files)
    }

    /// Adds up what there is in a directory, by an option of du(1).
    ///
    /// What goes away meanwhile is not counted.
    static func walk(
        _ path: String, counting option: String, until deadline: ContinuousClock.Instant
    ) async throws -> UInt64 {
        let output = try await SealedDirectory.with(FilePath(path), for: .reading) { sealed in
            try await walker.run(
                ["--summarize", "--one-file-system", option, "--", "\(sealed)/."],
                excusing: { status, errors in
                    let lines = errors.split(separator: "\n")
                    return status == 1 && lines.allSatisfy { $0.hasSuffix(": No such file or directory") }
                }, until: deadline)
        }
        guard let count = UInt64(output.prefix { $0.isNumber }) else {
            throw VolumeError(.io, "du says nothing of '\(path)'")
        }
        return count
    }
}
