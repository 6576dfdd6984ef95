// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSVolumes
import SystemPackage

/// What the options of a volume say is to be mounted; it makes sense, as far as that can be said without looking.
struct MountRequest: Sendable {
    let type: MountType
    let source: String
    /// Those for the file system and those of ``MountFlags``, without what only programs read.
    private(set) var options: MountOptionList
    /// What `credentials=` names.
    let credentials: String?
    /// Whether the source is a directory that is mounted a second time.
    private(set) var isBind = false
    /// Whether what is mounted below that comes along.
    private(set) var isRecursive = false
    /// Whether there is a password in the options.
    private let hasPassword: Bool

    /// Reads and checks the options.
    ///
    /// - Throws: ``VolumeError`` with code `invalidArgument`.
    init(_ given: VolumeOptions) throws(VolumeError) {
        let name = try Self.required("type", in: given, "such as type=nfs, or type=none with o=bind")
        let device = try Self.required(
            "device", in: given, "what to mount: a server and its folder, a block device, or a folder")
        (type, source) = try Self.split(name, device)
        options = try MountOptionList(parsing: given["o"] ?? "")
        options.items.removeAll { MountFlags.isForPrograms($0.key) }
        hasPassword = given["password"] != nil || given["secret"] != nil
        if options.remove("rbind") != nil { (isBind, isRecursive) = (true, true) }
        if options.remove("bind") != nil { isBind = true }
        if type.name == "bind" || type.name == "rbind" { isBind = true }
        if type.name == "rbind" { isRecursive = true }
        credentials = try Self.credentials(given["credentials"], and: &options)
        try checkSource()
        try checkCredentials()
        try checkNames()
    }

    /// What `credentials=` names, be it an option of its own or in `o`, from which it is taken.
    private static func credentials(
        _ given: String?, and options: inout MountOptionList
    ) throws(VolumeError) -> String? {
        let named = [given, options.remove("credentials"), options.remove("cred")].compactMap(\.self)
        if let first = named.first, let other = named.first(where: { $0 != first }) {
            throw invalid("credentials='\(first)' and '\(other)' in 'o' are two different ones: leave one out")
        }
        return named.first
    }

    private static func invalid(_ text: String) -> VolumeError { VolumeError(.invalidArgument, text) }

    private static func required(
        _ name: String, in options: VolumeOptions, _ help: String
    ) throws(VolumeError) -> String {
        guard let value = options[name], !value.isEmpty else {
            throw invalid("option '\(name)' is missing: driver 'mount' needs \(help)")
        }
        return value
    }

    /// `type=fuse` with `device=sshfs#user@host:folder` is an older way to write `type=fuse.sshfs`.
    private static func split(_ type: String, _ device: String) throws(VolumeError) -> (MountType, String) {
        // mount(8) leaves them to mount.fuse, which starts any program with a shell.
        guard ["fuse", "fuse3", "fuseblk"].contains(type) else { return (try MountType(type), device) }
        guard let mark = device.firstIndex(of: "#") else {
            throw invalid(
                "type='\(type)' does not say which program serves it: write type=fuse.PROGRAM, such as fuse.sshfs")
        }
        return (try MountType("fuse.\(device[..<mark])"), String(device[device.index(after: mark)...]))
    }

    private func checkSource() throws(VolumeError) {
        func refuse(_ reason: String) -> VolumeError {
            Self.invalid("option device='\(source.excerpt(256))' \(reason)")
        }
        if let reason = MountOptionRefusals.reason(against: source, of: type) { throw refuse(reason) }
        if MountOptionRefusals.hasPassword(source) {
            throw Self.invalid(
                "option device= has a password in it, which others could see: give it as password=, or with credentials="
            )
        }
        if isBind || type.isOnDisk {
            let path = FilePath(source)
            guard path.isAbsolute, !path.components.contains(where: { $0.kind == .parentDirectory }) else {
                throw refuse(
                    "is not an absolute path without '..'"
                        + (isBind ? ", such as /srv/data" : ", such as /dev/disk/by-uuid/… or /dev/vdb1"))
            }
        } else if type.name == "none" {
            throw Self.invalid("option type='none' mounts nothing by itself: add o=bind, or give a file system")
        }
        if type.isSMB, !source.hasPrefix("//"), !source.hasPrefix("\\\\") {
            throw refuse("is not a share, such as //server/share")
        }
        if type.isNFS, !source.contains(":") { throw refuse("is not a folder of a server, such as server:/folder") }
        if type.isSSHFS, !source.contains(":") { throw refuse("is not a folder of a host, such as user@host:/folder") }
    }

    /// The files and folders of this host that are mounted, or shown by what is mounted.
    var localPaths: [FilePath] {
        let texts =
            OverlayLayers.types.contains(type.name)
            ? options.items.filter { OverlayLayers.options.contains($0.key) }
                .flatMap { Self.folders(in: $0.value ?? "") }
            : isBind || type.isOnDisk
                ? [source] : type.fuseProgram != nil && !type.isSSHFS ? Self.folders(in: source) : []
        return texts.map { FilePath($0) }.filter(\.isAbsolute)
    }

    /// Those of `/a:/b`, or of `/a=RW:/b=RO` as programs have it.
    private static func folders(in list: String) -> [String] {
        let folders = OverlayLayers.folders(in: list)
        // A folder with '=' in its name is one as well.
        return folders + folders.compactMap { $0.contains("=") ? String($0.prefix { $0 != "=" }) : nil }
    }

    private func checkCredentials() throws(VolumeError) {
        if let credentials {
            guard !hasPassword else { throw Self.invalid("credentials= and password= are both given: leave one out") }
            guard MountCredentials.isName(credentials) else {
                throw Self.invalid(
                    "option credentials='\(credentials.excerpt())' is neither an absolute path nor the name of a credential of systemd"
                )
            }
        }
        guard credentials != nil || hasPassword else { return }
        guard takesPassword, !isBind else {
            throw Self.invalid(
                "type='\(type.name)' has no way to take a password that keeps it secret: see its manual for one, such as "
                    + "a file of its own")
        }
    }

    /// Whether there is a way to give the type a password that nobody sees.
    private var takesPassword: Bool {
        type.isSMB || type.isSSHFS || type.isCeph || ["davfs", "fuse.gocryptfs"].contains(type.name)
    }

    private func checkNames() throws(VolumeError) {
        if isBind {
            var flags = MountFlags()
            if let item = options.items.first(where: { !flags.take($0.key, $0.value) }) {
                throw Self.invalid(
                    "mount option '\(item.key.excerpt())' does not go with a bind mount, which takes ro, nosuid, nodev, noexec, "
                        + "noatime and their kin")
            }
            return
        }
        for item in options.items {
            // Programs would read it as something else.
            if item.key.contains(where: { ",\"\\".contains($0) || $0.isWhitespace }) {
                throw Self.invalid("mount option '\(item.key.excerpt())' is not the name of an option")
            }
            if ["remount", "move"].contains(item.key) || item.key.hasPrefix("make-") {
                throw Self.invalid("mount option '\(item.key.excerpt())' makes no sense for a volume: leave it out")
            }
            if let reason = MountOptionRefusals.reason(against: item, in: options, of: type) {
                throw Self.invalid("mount option '\(item.key.excerpt())' \(reason)")
            }
        }
        guard let known = MountOptionNames.of(type) else { return }
        if type.name == "overlay" { try checkLayers(known) }
        guard known.isComplete else { return }
        for item in options.items {
            var flags = MountFlags()
            guard !known.contains(item.key), !flags.take(item.key, item.value) else { continue }
            throw Self.unknown(item.key, type, known)
        }
    }

    /// Of folders that are missing the kernel only says that it does not like what it got.
    private func checkLayers(_ known: MountOptionNames) throws(VolumeError) {
        let given = Set(options.items.map { $0.key })
        // Of a name that is mistaken it says more.
        guard given.isSubset(of: known.all) else { return }
        guard given.contains("lowerdir") || given.contains("lowerdir+") else {
            throw Self.invalid("type='overlay' needs lowerdir= in o=: the folders to show, the topmost first")
        }
        guard given.contains("upperdir") == given.contains("workdir") else {
            throw Self.invalid(
                "type='overlay' needs upperdir= and workdir= in o=, two folders on one file system, or neither to be "
                    + "read-only")
        }
    }

    /// The refusal of a mount option, with the one that was meant if that can be guessed.
    static func unknown(_ key: String, _ type: MountType, _ known: MountOptionNames?) -> VolumeError {
        let hint = known?.nearest(to: key).map { "; did you mean '\($0)'?" } ?? ""
        return invalid(
            "unknown mount option '\(key.excerpt())' of \(type.name)\(hint)"
                + (known.map { "; see \($0.manual)" } ?? ""))
    }

    mutating func append(_ item: MountOptionList.Item) {
        options.items.append(item)
    }

    /// The options as text, for errors; there is no password in them.
    var summary: String {
        let text = options.text
        return "type '\(type.name)', source '\(source)'" + (text.isEmpty ? "" : ", options '\(text)'")
    }
}
