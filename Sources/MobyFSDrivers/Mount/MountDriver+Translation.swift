// SPDX-License-Identifier: Apache-2.0

package import MobyFSVolumes

// What users of other plugins write, in the words of this driver.
extension MountDriver {
    /// Options that are other words for `type=`, `device=` and `o=`.
    static let translated = [
        OptionInfo(
            "share", .text, "a share of a server, as docker-volume-netshare has it: server/folder or //server/share"),
        OptionInfo("nfsopts", .mountOptions, "with share=: mount options, and that it is NFS"),
        OptionInfo("cifsopts", .mountOptions, "with share=: mount options, and that it is CIFS"),
        OptionInfo("cephopts", .mountOptions, "with share=: mount options, and that it is CephFS"),
        OptionInfo("username", .text, "with CIFS: who one is to the server"),
        OptionInfo("domain", .text, "with CIFS: the domain of the user", aliases: ["workgroup"]),
        OptionInfo("security", .text, "with CIFS: the mount option sec"),
        OptionInfo("fileMode", .text, "with CIFS: the mount option file_mode"),
        OptionInfo("dirMode", .text, "with CIFS: the mount option dir_mode"),
        OptionInfo(
            "sshcmd", .text,
            "user@host:folder, as vieux/sshfs has it; all options of sshfs and ssh go beside it, such as port "
                + "and IdentityFile"),
    ]

    /// The mount option of CIFS that each of these stands for.
    private static let smbNames = [
        "username": "username", "domain": "domain", "workgroup": "domain", "security": "sec", "fileMode": "file_mode",
        "dirMode": "dir_mode",
    ]

    package func translate(_ given: inout [String: String]) throws(VolumeError) {
        if given["sshcmd"] != nil {
            try translateSSH(&given)
        } else if given["share"] != nil {
            try translateShare(&given)
        } else if let name = ["nfsopts", "cifsopts", "cephopts"].first(where: { given[$0] != nil }) {
            throw VolumeError(.invalidArgument, "option '\(name)' goes with share=, which is missing")
        }
        try moveUsers(&given)
        try refuseMountOptions(beside: given)
    }

    /// What the driver's own options are called, so that nothing of these is a mount option.
    private var ownNames: Set<String> { Set(info.allOptions.flatMap { [$0.name] + $0.aliases }) }

    /// Says where a mount option goes that is given as an option of its own.
    private func refuseMountOptions(beside given: [String: String]) throws(VolumeError) {
        guard let name = given["type"], let type = try? MountType(name), let known = MountOptionNames.of(type) else {
            return
        }
        let own = ownNames
        for (key, value) in given.sorted(by: { $0.key < $1.key }) where !own.contains(key) && known.contains(key) {
            throw VolumeError(
                .invalidArgument,
                "option '\(key)' is a mount option of \(name): put it into o=, as in o=\(key)"
                    + (value.isEmpty ? "" : "=\(value.excerpt())"))
        }
    }

    private func translateSSH(_ given: inout [String: String]) throws(VolumeError) {
        // As the default of a further name, it says the same.
        if ["fuse.sshfs", "sshfs"].contains(given["type"]) { given["type"] = nil }
        try refuse(["type", "device", "share"], beside: "sshcmd", in: given)
        var list = try MountOptionList(parsing: given["o"] ?? "")
        // What vieux/sshfs does not know itself it hands to sshfs, owners too: there they are those of all files.
        let own = ownNames.subtracting(["uid", "gid"])
        for (key, value) in given.sorted(by: { $0.key < $1.key }) where !own.contains(key) {
            list.items.append(.init(key, value.isEmpty ? nil : value))
            given[key] = nil
        }
        // Nobody is there to be asked; the first answer is remembered.
        if !list.items.contains(where: { $0.key.lowercased() == "stricthostkeychecking" }) {
            list.items.append(.init("StrictHostKeyChecking", "accept-new"))
        }
        given["type"] = "fuse.sshfs"
        given["device"] = given.removeValue(forKey: "sshcmd")
        given["o"] = list.text
    }

    private func translateShare(_ given: inout [String: String]) throws(VolumeError) {
        try refuse(["device", "sshcmd"], beside: "share", in: given)
        let share = given.removeValue(forKey: "share") ?? ""
        let lists = ["nfsopts": "nfs", "cifsopts": "cifs", "cephopts": "ceph"].filter { given[$0.key] != nil }
        guard lists.count < 2 else {
            throw VolumeError(
                .invalidArgument, "options '\(lists.keys.sorted().joined(separator: "' and '"))' do not go together")
        }
        let looksLikeSMB =
            share.hasPrefix("//") || Self.smbNames.keys.contains { given[$0] != nil } || given["password"] != nil
        let type = given["type"] ?? lists.values.first ?? (looksLikeSMB ? "cifs" : "nfs")
        var list = try MountOptionList(parsing: given["o"] ?? "")
        for name in lists.keys {
            list.items += try MountOptionList(parsing: given.removeValue(forKey: name) ?? "").items
        }
        let isSMB = ["cifs", "smb3"].contains(type)
        let isAnonymous =
            given["username"] == nil && given["credentials"] == nil && given["password"] == nil
            && !list.items.contains { ["username", "user", "credentials", "cred", "guest", "sec"].contains($0.key) }
        if isSMB, isAnonymous { list.items.append(.init("guest")) }
        given["type"] = type
        given["device"] = isSMB ? Self.smbSource(share) : Self.nfsSource(share)
        given["o"] = list.items.isEmpty ? nil : list.text
    }

    private static func smbSource(_ share: String) -> String {
        "//" + share.drop { $0 == "/" || $0 == "\\" }
    }

    /// `server/folder` is `server:/folder`.
    private static func nfsSource(_ share: String) -> String {
        guard !share.contains(":"), let slash = share.firstIndex(of: "/"), slash != share.startIndex else {
            return share
        }
        return share[..<slash] + ":" + share[slash...]
    }

    /// Puts what only CIFS and WebDAV have into the mount options.
    private func moveUsers(_ given: inout [String: String]) throws(VolumeError) {
        let names = Self.smbNames.keys.sorted().filter { given[$0] != nil }
        guard let first = names.first else { return }
        let type = given["type"] ?? ""
        guard ["cifs", "smb3"].contains(type) || type == "davfs" && names == ["username"] else {
            throw VolumeError(.invalidArgument, "option '\(first)' goes with type=cifs, or with share=")
        }
        var list = try MountOptionList(parsing: given["o"] ?? "")
        for name in names {
            list.items.append(.init(Self.smbNames[name] ?? name, given.removeValue(forKey: name)))
        }
        given["o"] = list.text
    }

    private func refuse(
        _ others: [String], beside name: String, in given: [String: String]
    ) throws(VolumeError) {
        guard let other = others.first(where: { given[$0] != nil }) else { return }
        throw VolumeError(.invalidArgument, "options '\(name)' and '\(other)' do not go together: leave one out")
    }
}
