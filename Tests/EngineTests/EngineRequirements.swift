// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import SystemPackage

/// What the engine-level tests need on this machine, and where they find it.
enum EngineRequirements {
    /// The Debian suite whose Docker Engine is used.
    static let suite = environment["MOBYFS_TEST_SUITE"].flatMap { $0.isEmpty ? nil : $0 } ?? "bookworm"

    /// The test bed's tool, see its README.
    static let tool = repository.appending("Tests/testbed/legacy-host")

    /// The package under test: `MOBYFS_TEST_DEB`, else the newest one that was built.
    static let package: FilePath? = {
        if let path = environment["MOBYFS_TEST_DEB"], !path.isEmpty { return FilePath(path) }
        return newest("mobyfs_", in: repository.appending(".build/deb"))
    }()

    /// The folder that `docker plugin create` takes, if it was made.
    static let managedPlugin: FilePath? = {
        let folder = repository.appending(".build/managed-plugin")
        return exists(folder.appending("config.json")) ? folder : nil
    }()

    /// Debian's registry, if it was fetched.
    static let registryPackage = packages(for: "registry").flatMap { newest("docker-registry_", in: $0) }

    /// Packages of the host's suite for a purpose, with all that they need, if they were fetched.
    static func packages(for purpose: String) -> FilePath? {
        let folder = repository.appending(".build/packages/\(suite)/\(purpose)")
        return newest("", in: folder) == nil ? nil : folder
    }

    /// The first thing that is missing, in words for the one who reads "skipped"; nil when all is there.
    ///
    /// The base image is not looked at: it is made on first use, see ``BaseImage``.
    static let missing: String? = {
        guard geteuid() == 0 else { return "engine tests need root, to boot a host" }
        guard let package else { return "engine tests need the package: no .build/deb/mobyfs_*.deb (make deb)" }
        guard exists(package) else { return "engine tests need the package: no file '\(package)' (MOBYFS_TEST_DEB)" }
        guard exists(tool) else { return "engine tests need '\(tool)'" }
        // No /proc: no mounts.
        let mounts = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
        guard mounts.contains(" - cgroup2 ") else { return "engine tests need a mounted cgroup v2 hierarchy" }
        for program in ["bash", "unshare", "nsenter", "losetup", "ip", "perl", "flock", "setsid", "tar"]
        where !isInstalled(program) {
            return "engine tests need '\(program)' (\(tool) deps)"
        }
        guard BaseImage.isBuilt || isInstalled("debootstrap") else {
            return "engine tests need debootstrap, to make the base image of \(suite) (\(tool) deps)"
        }
        return nil
    }()

    static let environment = ProcessInfo.processInfo.environment

    private static let repository =
        FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()

    static func exists(_ path: FilePath) -> Bool {
        FileManager.default.fileExists(atPath: path.string)
    }

    /// A file to keep for a look after the run.
    static func report(named name: String) -> FilePath {
        repository.appending(".build").appending(name)
    }

    private static func newest(_ prefix: String, in folder: FilePath) -> FilePath? {
        // No folder: no names.
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.string)) ?? []
        return
            names.filter { $0.hasPrefix(prefix) && $0.hasSuffix(".deb") }
            .map { folder.appending($0) }
            .max { modified($0) < modified($1) }
    }

    private static func isInstalled(_ program: String) -> Bool {
        let path = (environment["PATH"] ?? "") + ":/usr/local/sbin:/usr/sbin:/sbin"
        return path.split(separator: ":").contains { exists(FilePath("\($0)/\(program)")) }
    }

    private static func modified(_ path: FilePath) -> Date {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path.string)  // just gone: as old as can be
        return attributes?[.modificationDate] as? Date ?? .distantPast
    }
}
