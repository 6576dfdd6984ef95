// SPDX-License-Identifier: Apache-2.0

import MobyFSVolumes
import SystemPackage

/// What would let whoever creates volumes run programs, or write files, as root on the host.
///
/// Whoever may talk to the engine can often do that anyway; behind an authorization plugin they may not. Programs of FUSE
/// take only what ``MountOptionNames`` lists for them: what else they know nobody can foresee.
enum MountOptionRefusals {
    /// Why a mount option is not taken.
    ///
    /// - Returns: What goes after the option's name in an error; nil if it is taken.
    static func reason(
        against item: MountOptionList.Item, in list: MountOptionList, of type: MountType
    ) -> String? {
        let key = item.key.lowercased()
        if type.isSSHFS { return sshReason(against: key, item.value ?? "", in: list) }
        if type.isOnDisk, key == "loop" {
            return "is for mount(8): attach a loop device first (losetup --find --show FILE), and give that as device="
        }
        if type.isSMB, key == "username" || key == "user", item.value?.contains("%") == true {
            return "has a password in it, which others could see: give it as password=, or with credentials="
        }
        if type.name == "glusterfs" {
            if key == "dump-fuse" { return "writes a file of this host, which volumes may not" }
            if key == "log-file", !isBelowLogs(item.value ?? "") { return "is not a file below /var/log" }
        }
        return nil
    }

    private static func sshReason(against key: String, _ value: String, in list: MountOptionList) -> String? {
        if sshPrograms.contains(key) {
            return "starts a program on this host: have the administrator put it into /root/.ssh/config"
        }
        if sshSockets.contains(key) {
            return "lets ssh use, or leave behind, processes of this host: have the administrator put it into "
                + "/root/.ssh/config"
        }
        if sshPasswords.contains(key) { return "is not for volumes: a password goes into password= or credentials=" }
        if key == "proxyjump", !isListOfHosts(value) { return "is no list of hosts, such as user@gate:22" }
        if key == "userknownhostsfile", value != "/dev/null", !onlyReadsKeys(list) {
            return "lets ssh write into that file: add StrictHostKeyChecking=yes, or leave it out to have the keys of "
                + "hosts in /root/.ssh/known_hosts"
        }
        return nil
    }

    /// Why a source is not taken.
    ///
    /// - Returns: What goes after `option device='…'` in an error; nil if it is taken.
    static func reason(against source: String, of type: MountType) -> String? {
        if source.hasPrefix("-") || source.hasPrefix("[-") { return "begins with '-', as an option of a program does" }
        if type.name == "glusterfs", source.hasPrefix("/") || !source.contains(":") {
            return "is not a volume of a server, such as server:/volume"
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

    /// Whether there is a password in a source: `user:password@host:folder`, `https://user:password@host`.
    static func hasPassword(_ source: String) -> Bool {
        let rest = source.firstRange(of: "//").map { source[$0.upperBound...] } ?? source[...]
        guard let at = rest.firstIndex(of: "@") else { return false }
        return rest[..<at].contains(":") && !rest[..<at].contains("/")
    }

    private static func onlyReadsKeys(_ list: MountOptionList) -> Bool {
        // Of options given twice ssh takes the first.
        let strict = list.items.first { $0.key.lowercased() == "stricthostkeychecking" }
        let isUpdated = list.items.contains { $0.key.lowercased() == "updatehostkeys" && $0.value != "no" }
        return strict?.value == "yes" && !isUpdated
    }

    private static func isListOfHosts(_ text: String) -> Bool {
        text.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { host in
            guard let first = host.first, first.isLetter || first.isNumber else { return false }
            return host.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ".-_@:[]".contains($0)) }
                && !host.contains("@-") && !host.contains("[-")
        }
    }

    private static func isBelowLogs(_ text: String) -> Bool {
        let path = FilePath(text)
        return path.starts(with: "/var/log") && path != "/var/log"
            && !path.components.contains { $0.kind == .parentDirectory }
    }

    // Sources: sshfs(1), ssh_config(5).
    private static let sshPrograms: Set<String> = [
        "ssh_command", "proxycommand", "localcommand", "permitlocalcommand", "knownhostscommand", "pkcs11provider",
        "securitykeyprovider", "xauthlocation", "match", "include",
    ]
    private static let sshSockets: Set<String> = ["controlmaster", "controlpath", "controlpersist", "identityagent"]
    private static let sshPasswords: Set<String> = ["password_stdin", "passive", "directport"]
}
