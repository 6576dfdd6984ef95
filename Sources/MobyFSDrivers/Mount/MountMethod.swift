// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSVolumes
import SystemPackage

/// How something is mounted on this host.
enum MountMethod: Sendable {
    /// A directory a second time.
    case bind
    /// By the kernel, asked by this process.
    case kernel
    /// By the kernel, asked by mount(8), which can be ended while a server does not answer.
    case mountProgram
    /// By a program `mount.TYPE`.
    case helper(HelperProgram)
    /// By a program that serves the file system itself.
    case fuse(HelperProgram)

    /// In words, for errors.
    var name: String {
        switch self {
        case .bind, .kernel: "the kernel"
        case .mountProgram: "mount"
        case .helper(let program), .fuse(let program): program.name
        }
    }

    static let mount = HelperProgram("mount", package: "mount")

    /// Finds out how.
    ///
    /// Blocks.
    ///
    /// - Throws: ``VolumeError`` with code `unavailable`, naming what to install.
    init(for request: MountRequest, driver: MountDriver) throws(VolumeError) {
        let type = request.type
        if request.isBind {
            self = .bind
        } else if let name = type.fuseProgram {
            self = .fuse(try Self.fuseProgram(name, of: type, in: driver))
        } else if type.isLocal, Mounts.knows(type: type.name) {
            self = .kernel
        } else if type.isNFS, request.options["addr"] != nil, Mounts.knows(type: type.name) {
            // As the engine's local driver does it: no helper has a say.
            self = .mountProgram
        } else {
            self = try Self.other(type, in: driver)
        }
        _ = try list(request.options)
    }

    /// The arguments of a program that takes all options in one.
    ///
    /// Each reads them in its own way: what one of them could take for two options would get around the refusal of the
    /// second.
    ///
    /// - Throws: ``VolumeError`` with code `invalidArgument`.
    func list(_ options: MountOptionList) throws(VolumeError) -> [String] {
        let separators: String
        switch self {
        case .bind, .kernel, .fuse: return []
        // It knows quotes, but not all of its versions know quotes in quotes.
        case .mountProgram: separators = "\""
        // A script that the shell splits further.
        case .helper(let program) where program.name == "mount.glusterfs": separators = ",\" \t*?["
        case .helper: separators = ",\""
        }
        for item in options.items {
            guard let character = item.value?.first(where: { separators.contains($0) }) else { continue }
            throw VolumeError(
                .invalidArgument,
                "\(name) takes no '\(character)' in the value of mount option '\(item.key.excerpt())': leave it out")
        }
        return options.items.isEmpty ? [] : ["-o", options.text]
    }

    private static func other(_ type: MountType, in driver: MountDriver) throws(VolumeError) -> MountMethod {
        let name = "mount.\(type.name)"
        let helper = HelperProgram(name, package: type.package ?? name, folders: driver.programs)
        let isKnown = Mounts.knows(type: type.name)
        if let path = helper.locate() {
            // It has a shell run whatever program the source names.
            let target = Directories.resolve(path).lastComponent?.string ?? ""
            if target.hasPrefix("mount.fuse"), !target.hasPrefix("mount.fuse.") {
                throw VolumeError(
                    .invalidArgument,
                    "type '\(type.name)' is not for volumes, for \(name) runs any program: write type=fuse.PROGRAM, such as "
                        + "fuse.sshfs")
            }
            // The helper of a file system in the kernel can do nothing without it.
            guard isKnown || !(type.isNFS || type.isSMB || type.isCeph) else { throw unknown(type) }
            return .helper(helper)
        }
        // These have no way to the server without.
        if isKnown, !type.isNFS, !type.isSMB { return .mountProgram }
        guard let package = type.package else { throw unknown(type) }
        throw VolumeError(
            .unavailable,
            "type '\(type.name)' needs the program \(name), which is not installed: apt install \(package)")
    }

    private static func unknown(_ type: MountType) -> VolumeError {
        if type.isNFS || type.isSMB || type.isCeph || type.isLocal {
            return VolumeError(
                .unavailable,
                "this kernel has no file system '\(type.name)': install its module (modprobe \(type.name)), or boot a kernel "
                    + "that has it")
        }
        return VolumeError(
            .unavailable,
            "type '\(type.name)' is unknown: the kernel has no such file system, and there is no program mount.\(type.name)"
        )
    }

    private static func fuseProgram(
        _ name: String, of type: MountType, in driver: MountDriver
    ) throws(VolumeError) -> HelperProgram {
        let program = HelperProgram(name, package: type.package ?? name, folders: driver.programs)
        // As root runs it, not any program will do: an administrator has said of these what they are.
        let isTrusted =
            type.isKnownFUSEProgram
            || HelperProgram("mount.fuse.\(name)", package: name, folders: driver.programs).locate() != nil
        guard isTrusted else {
            throw VolumeError(
                .unavailable,
                "type '\(type.name)': the program \(name) is not known to serve a file system; if it does, say so with "
                    + "ln -s $(command -v \(name)) /usr/local/sbin/mount.fuse.\(name)")
        }
        guard program.locate() != nil else {
            let way = type.package.map { ": apt install \($0)" } ?? "; Debian has no package of it"
            throw VolumeError(
                .unavailable, "type '\(type.name)' needs the program \(name), which is not installed\(way)")
        }
        return program
    }
}
