// SPDX-License-Identifier: Apache-2.0

import MobyFSVolumes
import SystemPackage

/// What would let whoever creates volumes run programs, or write files, as root on the host.
///
/// Whoever may talk to the engine can often do that anyway; behind an authorization plugin they may not.
enum MountOptionRefusals {
    /// Why a mount option is not taken.
    ///
    /// - Returns: What goes after the option's name in an error; nil if it is taken.
    static func reason(
        against item: MountOptionList.Item, in list: MountOptionList, of type: MountType
    ) -> String? {
        let key = item.key.lowercased()
        if type.isSSHFS {
            if sshPrograms.contains(key) {
                return "starts a program on this host: have the administrator put it into /root/.ssh/config"
            }
            if sshPasswords.contains(key) {
                return "is not for volumes: a password goes into password= or credentials="
            }
            if key == "userknownhostsfile", item.value != "/dev/null", !onlyReadsKeys(list) {
                return "lets ssh write into that file: add StrictHostKeyChecking=yes, or leave it out to have the keys "
                    + "of hosts in /root/.ssh/known_hosts"
            }
        }
        if let program = type.fuseProgram ?? (type.name == "rclone" ? "rclone" : nil) {
            let names = fusePrograms[program] ?? []
            if names.contains(key.replacing("-", with: "_")) {
                return "starts a program on this host, which volumes may not"
            }
        }
        if type.name == "glusterfs" {
            if key == "dump-fuse" { return "writes a file of this host, which volumes may not" }
            if key == "log-file", !isBelowLogs(item.value ?? "") { return "is not a file below /var/log" }
        }
        return nil
    }

    /// Why a source is not taken.
    ///
    /// - Returns: What goes after `option device='…'` in an error; nil if it is taken.
    static func reason(against source: String, of type: MountType) -> String? {
        if type.name == "glusterfs" {
            guard !source.hasPrefix("/"), source.contains(":") else {
                return "is not a volume of a server, such as server:/volume"
            }
        }
        if type.fuseProgram == "rclone" || type.name == "rclone" {
            // As :sftp,ssh="…":/ it would say more than where.
            let named = source.dropFirst(source.hasPrefix(":") ? 1 : 0)
            let remote = named.prefix { $0 != ":" }
            guard named.contains(":"), !remote.isEmpty, !remote.contains(where: { ",\"'".contains($0) }) else {
                return "is not a folder of a remote in rclone's configuration, such as remote:folder"
            }
        }
        return nil
    }

    private static func onlyReadsKeys(_ list: MountOptionList) -> Bool {
        // Of options given twice ssh takes the first.
        let strict = list.items.first { $0.key.lowercased() == "stricthostkeychecking" }
        let isUpdated = list.items.contains { $0.key.lowercased() == "updatehostkeys" && $0.value != "no" }
        return strict?.value == "yes" && !isUpdated
    }

    private static func isBelowLogs(_ text: String) -> Bool {
        let path = FilePath(text)
        return path.starts(with: "/var/log") && path != "/var/log"
            && !path.components.contains { $0.kind == .parentDirectory }
    }

    /// Sources: sshfs(1), ssh_config(5).
    private static let sshPrograms: Set<String> = [
        "ssh_command", "proxycommand", "localcommand", "permitlocalcommand", "knownhostscommand", "pkcs11provider",
        "securitykeyprovider", "xauthlocation", "match", "include",
    ]
    private static let sshPasswords: Set<String> = ["password_stdin", "passive", "directport"]

    /// Those of other programs, with `_` for `-`.
    ///
    /// Sources: gocryptfs(1), encfs(1), s3fs(1), `rclone help flags`.
    private static let fusePrograms: [String: Set<String>] = [
        "gocryptfs": ["extpass", "masterkey", "fido2"],
        "encfs": ["extpass"],
        "s3fs": ["credlib", "credlib_opts"],
        "rclone": [
            "password_command", "sftp_ssh", "sftp_server_command", "webdav_bearer_token_command", "metadata_mapper",
        ],
    ]
}
