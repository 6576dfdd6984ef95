// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
package import SystemPackage
package import Testing

/// A type of file system that has project quotas, where the kernel is built with them.
package enum QuotaFileSystem: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case ext4, xfs

    package var testDescription: String { rawValue }

    /// Whether limits hold.
    package enum Quotas: Sendable {
        case enforced
        /// ext4 counts what projects use where it was made so, whatever the mount option.
        case counted
        case off
    }

    /// Makes a file system in a file and mounts it.
    ///
    /// - Parameters:
    ///   - image: The file, which is made.
    ///   - path: The mountpoint, which is made.
    ///   - quotas: Whether limits are to hold.
    /// - Throws: ``HelperError`` where the kernel or a program is not up to it.
    package func mount(_ image: FilePath, at path: FilePath, quotas: Quotas = .enforced) async throws {
        let template = try await (quotas == .off ? Self.plain : Self.made)[self]?.value
        guard let template else { return }
        try await HelperProgram("cp", package: "coreutils").run(
            ["--sparse=always", template.path.string, image.string], until: .now + .seconds(100))
        try Directories.create(path, mode: 0o755)
        try await remount(image, at: path, quotas: quotas)
    }

    /// Mounts one that was made before.
    package func remount(_ image: FilePath, at path: FilePath, quotas: Quotas = .enforced) async throws {
        var options = quotas == .enforced ? "loop,prjquota" : "loop"
        // Copies are as like as two peas; xfs minds.
        if self == .xfs { options += ",nouuid" }
        try await HelperProgram("mount", package: "mount").run(
            ["-t", rawValue, "-o", options, image.string, path.string], until: .now + .seconds(100))
    }

    /// A file without a name, which is gone with this process.
    private struct Template {
        let descriptor: CInt

        /// As other processes can open it.
        var path: FilePath { FilePath("/proc/\(getpid())/fd/\(descriptor)") }
    }

    private static let plain = templates(quotas: false)
    private static let made = templates(quotas: true)

    /// Making a file system takes longer than all that is done with it: each is made once, when it is first wanted.
    private static func templates(quotas: Bool) -> [Self: Task<Template, any Error>] {
        Dictionary(
            uniqueKeysWithValues: allCases.map { type in (type, Task { try await type.template(quotas: quotas) }) })
    }

    private func template(quotas: Bool) async throws -> Template {
        var name = Array("/tmp/mobyfs-test-XXXXXX".utf8CString)
        let template = Template(descriptor: try check(mkstemp(&name), "make a temporary file"))
        try check(unlink(name), "unlink a temporary file")
        // The smallest that mkfs.xfs makes.
        try check(ftruncate(template.descriptor, 320 << 20), "make room in a temporary file")
        let deadline = ContinuousClock.now + .seconds(100)
        switch self {
        case .ext4:
            let options = quotas ? ["-O", "project,quota", "-E", "quotatype=prjquota"] : []
            try await HelperProgram("mkfs.ext4", package: "e2fsprogs").run(
                ["-q", "-F"] + options + [template.path.string], until: deadline)
        case .xfs:
            try await HelperProgram("mkfs.xfs", package: "xfsprogs").run(
                ["-q", template.path.string], until: deadline)
        }
        return template
    }

    /// Runs `body` with such a file system.
    package func with<Result>(
        quotas: Quotas = .enforced, isolation: isolated (any Actor)? = #isolation,
        _ body: (FilePath) async throws -> Result
    ) async throws -> Result {
        try await withTemporaryDirectory { root in
            let path = root.appending("fs")
            try await mount(root.appending("image"), at: path, quotas: quotas)
            // Detached, so that nothing that a failed test has left open is in the way.
            defer { try? Mounts.unmount(path, detaching: true) }
            return try await body(path)
        }
    }

    /// Whether this kernel can, found out by doing it; once.
    private static let areAvailable = Task {
        guard Machine.isRoot else { return false }
        do {
            for type in allCases {
                let state = try await type.with { try ProjectQuota(of: $0).state() }
                guard state == .enforcing else { return false }
            }
            return true
        } catch {
            return false
        }
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips tests where the kernel has no project quotas.
    package static var needsProjectQuotas: Self {
        .enabled("this kernel has no project quotas of ext4 and xfs (they run in Tests/testbed/virtual-machine)") {
            await QuotaFileSystem.canBeMounted
        }
    }
}

extension QuotaFileSystem {
    fileprivate static var canBeMounted: Bool {
        get async { await areAvailable.value }
    }
}

/// Programs as they run in a container: without the capability that is above the quotas of ext4.
package enum Contained {
    /// Runs a program as an ordinary user.
    package static func run(
        _ program: String, _ arguments: [String], as user: UInt32 = 1000, until deadline: ContinuousClock.Instant
    ) async throws {
        let options = [
            "--reuid=\(user)", "--regid=\(user)", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
        ]
        try await HelperProgram("setpriv", package: "util-linux").run(options + [program] + arguments, until: deadline)
    }

    /// Writes so many bytes into a file.
    package static func write(
        mebibytes: Int, to file: FilePath, as user: UInt32 = 1000
    ) async throws {
        try await run(
            "dd",
            [
                "if=/dev/zero", "of=\(file)", "bs=64k", "count=\(mebibytes * 16)", "conv=fsync", "status=none",
            ], as: user, until: .now + .seconds(100))
    }
}
