// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
package import MobyFSVolumes
package import SystemPackage

/// Volumes that are something to mount: a share of a server, a disk, a folder of the host, layers.
///
/// The options are those of the engine's own `local` driver. What is mounted is not the volume's: removing the volume
/// leaves all of it where it is.
package struct MountDriver: VolumeDriver {
    private let reserved: [FilePath]
    private let seesHost: Bool
    let programs: [FilePath]
    let credentialsFolder: FilePath?
    let patientWork = PatientWork()

    /// Makes the driver.
    ///
    /// - Parameters:
    ///   - reserved: The daemon's own directories, which are mounted nowhere else.
    ///   - seesHost: Whether the daemon's root is the host's; else no path of the host can be mounted.
    ///   - programs: Where programs are looked for first.
    ///   - credentialsFolder: Where systemd keeps the daemon's credentials; nil for where it says so.
    package init(
        reserved: [FilePath] = [], seesHost: Bool = true, programs: [FilePath] = [], credentialsFolder: FilePath? = nil
    ) {
        self.reserved = reserved
        self.seesHost = seesHost
        self.programs = programs
        self.credentialsFolder = credentialsFolder ?? MountCredentials.systemdFolder
    }

    package let info = DriverInfo(
        name: "mount",
        summary:
            "what mount(8) can mount: NFS, CIFS, sshfs, GlusterFS, CephFS, a disk, a folder of the host, layers",
        options: [
            OptionInfo(
                "type", .text, "the file system, such as nfs, cifs, fuse.sshfs, ext4 or overlay; none for o=bind"),
            OptionInfo(
                "device", .text,
                "what to mount, such as server:/folder, //server/share, user@host:folder or /dev/vdb1"),
            OptionInfo("o", .mountOptions, "mount options, as in fstab; addr=NAME is the address of a server"),
            OptionInfo(
                "password", .text, "the password of CIFS, sshfs and their kin; better: credentials=",
                aliases: ["pass", "passwd"], isSecret: true),
            OptionInfo(
                "credentials", .text,
                "a file with lines username=, password= and domain=, or a password alone in /etc/mobyfs/credentials; a name "
                    + "without '/' is a credential of systemd"),
            OptionInfo(
                "create", .flag, "whether the volume is a folder of its own name in there, made if it is missing",
                default: "false"),
        ] + Self.translated,
        selectors: ["type", "device", "share", "sshcmd", "nfsopts", "cifsopts", "cephopts"])

    package func check(_ options: VolumeOptions) throws(VolumeError) {
        let request = try MountRequest(options)
        let paths = request.localPaths
        if !paths.isEmpty {
            guard seesHost else {
                throw VolumeError(
                    .invalidArgument,
                    "option device='\(request.source)' is out of reach of a managed plugin, which sees no folder of the host "
                        + "but its own: install the mobyfs package")
            }
            for path in paths { try requireForeign(path.lexicallyNormalized(), reserved) }
        }
        if let policy = options.removalPolicy, policy != .keep {
            throw VolumeError(
                .invalidArgument,
                "option on-remove='\(policy.rawValue)' does not go with driver 'mount': mobyfs deletes no data outside its "
                    + "own folder; use on-remove=keep or leave it out")
        }
    }

    private func requireForeign(_ path: FilePath, _ reserved: [FilePath]) throws(VolumeError) {
        guard let own = reserved.first(where: { path.starts(with: $0) || $0.starts(with: path) }) else { return }
        throw VolumeError(
            .invalidArgument,
            "'\(path)' overlaps with '\(own)', which mobyfs needs itself: choose another path")
    }

    /// The same with all links followed.
    ///
    /// Blocks.
    func requireForeign(_ path: FilePath) throws(VolumeError) {
        try requireForeign(Directories.resolve(path), reserved.map(Directories.resolve))
    }

    package func lacks(pool: FilePath) -> [String] {
        var missing: [String] = []
        if !Self.hasFUSE {
            missing.append("the device /dev/fuse, for sshfs and all other fuse types, is missing: modprobe fuse")
        }
        for (type, name) in [
            ("nfs", "mount.nfs"), ("cifs", "mount.cifs"), ("fuse.sshfs", "sshfs"), ("glusterfs", "mount.glusterfs"),
        ] {
            guard let package = try? MountType(type).package else { continue }
            if HelperProgram(name, package: package, folders: programs).locate() == nil {
                missing.append("the program \(name), for type=\(type), is missing: apt install \(package)")
            }
        }
        return missing
    }

    private static var hasFUSE: Bool {
        var status = stat()
        return stat("/dev/fuse", &status) == 0
    }

    package func sizeSupport(_ options: VolumeOptions, pool: FilePath) -> SizeSupport {
        .unsupported("how much fits is up to what is mounted")
    }

    package func mountpoint(of volume: Volume, in context: DriverContext) -> FilePath {
        volume.options["create"] == "true" ? context.mounts.appending(volume.name.description) : context.mounts
    }

    package func keepsDataInside(_ volume: Volume) -> Bool { false }

    /// A disk may be seen by several hosts, and be destroyed by them; a server is there for that.
    package func allowsManyHosts(_ volume: Volume) -> Bool {
        guard let request = try? MountRequest(volume.options) else { return false }
        return request.isBind || !request.type.isLocal
    }

    /// Checks what can be checked while the server may be away.
    package func create(_ volume: Volume, in context: DriverContext) async throws -> [String: String] {
        let request = try MountRequest(volume.options)
        try await patientWork.run(
            on: "source of \(context.mounts)", until: context.deadline, "look at '\(request.source)'"
        ) {
            for path in request.localPaths { try requireForeign(path) }
            if request.isBind { return }
            if request.type.isSSHFS { try Self.requireKey(of: request) }
            let method = try MountMethod(for: request, driver: self)
            if case .kernel = method { try Self.checkWithKernel(request) }
        }
        if let credentials = request.credentials {
            _ = try await BlockingWork.run { try MountCredentials(named: credentials, in: credentialsFolder) }
        }
        return [:]
    }

    /// Throws if the key that ssh is to log in with is not there: ssh would go on without it.
    private static func requireKey(of request: MountRequest) throws(VolumeError) {
        for item in request.options.items where item.key.lowercased() == "identityfile" {
            guard let value = item.value, value.hasPrefix("/") else { continue }
            guard access(value, F_OK) != 0, errno == ENOENT else { continue }
            throw VolumeError(
                .invalidArgument, "mount option \(item.key)='\(value.excerpt(256))' names no file of this host")
        }
    }

    /// Lets the kernel look at the options without mounting anything.
    private static func checkWithKernel(_ request: MountRequest) throws {
        for item in request.options.items {
            do {
                try Mounts.check(type: request.type.name, options: [(item.key, item.value)])
            } catch let error as MountError where error.errno == .invalidArgument {
                guard error.messages.contains(where: { $0.contains("nknown parameter") }) else {
                    throw VolumeError(
                        .invalidArgument,
                        "mount option '\(item.key.excerpt())' of \(request.type.name) is refused", cause: error)
                }
                throw MountRequest.unknown(item.key, request.type, MountOptionNames.of(request.type))
            } catch is MountError {
                // A folder or a device that is not there yet.
            }
        }
    }

    package func remove(_ volume: Volume, in context: DriverContext) async throws {}

    package func obstacleToRenaming(_ volume: Volume, in context: DriverContext) -> String? {
        volume.options["create"] == "true" ? "with create=true its data is in a folder of its name" : nil
    }
}
