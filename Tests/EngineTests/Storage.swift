// SPDX-License-Identifier: Apache-2.0

import Testing

/// A kind of storage that a volume can be on, and what a user gives to get it.
enum Storage: String, CaseIterable, CustomTestStringConvertible {
    case directory, ext4, xfs, btrfs, tmpfs, folder, overlay, sshfs, glusterfs

    var testDescription: String { rawValue }

    /// Those of which a host has what it takes.
    static let available = allCases.filter { $0.purpose.map { EngineRequirements.packages(for: $0) != nil } ?? true }

    /// Which packages the host lacks for it.
    private var purpose: String? { [.sshfs, .glusterfs].contains(self) ? rawValue : nil }

    /// What is not tested, in words; nil if all is.
    static let missing: String? = {
        let missing = allCases.filter { !available.contains($0) }.map {
            "no \($0) in engine tests: no .build/packages/\(EngineRequirements.suite)/\($0) (make test fetches it)"
        }
        return missing.isEmpty ? nil : missing.joined(separator: "; ")
    }()

    /// The name of the driver.
    var driver: String {
        switch self {
        case .directory, .tmpfs: rawValue
        case .ext4, .xfs, .btrfs: "image"
        case .folder, .overlay, .sshfs, .glusterfs: "mount"
        }
    }

    /// Whether its data is there after a reboot.
    var isLasting: Bool { self != .tmpfs }

    /// Whether something is mounted for a volume that somebody holds.
    var isMounted: Bool { self != .directory }

    /// A size that it takes, in mebibytes; nil if it takes none.
    var megabytes: Int? {
        switch self {
        case .ext4, .tmpfs: 32
        case .xfs: 300
        case .btrfs: 128
        case .directory, .folder, .overlay, .sshfs, .glusterfs: nil
        }
    }
}

extension EngineHost {
    /// Makes what a volume on this storage needs on the host, and gives the options that it is created with.
    func options(for volume: String, on storage: Storage) async throws -> [String] {
        let folder = "/srv/storage/\(volume)"
        switch storage {
        case .directory: return []
        case .ext4, .xfs, .btrfs: return ["fs=\(storage)", "size=\(storage.megabytes ?? 0)M"]
        case .tmpfs: return ["type=tmpfs", "device=tmpfs", "o=size=\(storage.megabytes ?? 0)m"]
        case .folder:
            try await run("mkdir", "-p", folder)
            return ["type=none", "device=\(folder)", "o=bind"]
        case .overlay:
            try await run("mkdir", "-p", "\(folder)/lower", "\(folder)/upper", "\(folder)/work")
            let o = "o=lowerdir=\(folder)/lower,upperdir=\(folder)/upper,workdir=\(folder)/work"
            return ["type=overlay", "device=overlay", o]
        case .sshfs:
            try await prepareSSH()
            try await run("mkdir", "-p", folder)
            return ["sshcmd=root@localhost:\(folder)", "IdentityFile=/root/.ssh/id_ed25519"]
        case .glusterfs:
            try await prepareGluster()
            try await run("mkdir", "-p", "/srv/gluster/mounted/\(volume)")
            return ["type=glusterfs", "device=\(name):/vol/\(volume)"]
        }
    }

    /// Creates a volume on this storage.
    func createVolume(_ name: String, on storage: Storage, options more: [String] = []) async throws {
        try await createVolume(name, options: try await options(for: name, on: storage) + more)
        #expect(try await inspectVolume(name).status?.driver == storage.driver)
    }

    /// What a volume leaves on storage that outlives it.
    func clearStorage() async throws {
        try await bash(
            "rm -rf /srv/storage; if mountpoint -q /srv/gluster/mounted; then rm -rf /srv/gluster/mounted/*; fi")
    }

    /// Installs packages that were fetched for the purpose, unless they are installed.
    func installPackages(for purpose: String) async throws {
        let mark = "/root/packages-\(purpose)"
        guard try await !exists(mark) else { return }
        let folder = try #require(EngineRequirements.packages(for: purpose))
        try await copyIn(folder, to: mark)
        try await bash("dpkg -i -R \(mark)")
    }

    /// An ssh server that knows root's key.
    func prepareSSH() async throws {
        try await installPackages(for: "sshfs")
        try await bash(
            """
            key=/root/.ssh/id_ed25519
            if [ ! -e $key ]; then
              mkdir -p -m 700 /root/.ssh
              ssh-keygen -q -t ed25519 -N '' -f $key
              cp $key.pub /root/.ssh/authorized_keys
            fi
            """)
    }

    /// A GlusterFS volume of two bricks, mounted for the tests themselves as well.
    private func prepareGluster() async throws {
        try await installPackages(for: "glusterfs")
        try await bash(
            """
            systemctl enable -q --now glusterd
            if ! gluster volume info vol >/dev/null 2>&1; then
              mkdir -p /srv/gluster/brick1 /srv/gluster/brick2 /srv/gluster/mounted
              gluster --mode=script volume create vol replica 2 $(hostname):/srv/gluster/brick1 $(hostname):/srv/gluster/brick2 force
              gluster volume start vol
            fi
            """)
        try await eventually("the GlusterFS volume is mounted") {
            if try await attempt(["mountpoint", "-q", "/srv/gluster/mounted"]).succeeded { return true }
            return try await attempt(["mount", "-t", "glusterfs", "\(name):/vol", "/srv/gluster/mounted"]).succeeded
        }
    }
}

extension EngineHost {
    /// Puts the pool on a btrfs file system for as long as the body takes.
    func withBtrfsPool(_ body: () async throws -> Void) async throws {
        let unit = "/etc/systemd/system/var-lib-mobyfs.mount"
        try await bash("truncate -s 1G /root/pool; mkfs.btrfs -q /root/pool")
        try await withFile(
            unit, "[Mount]\nWhat=/root/pool\nWhere=/var/lib/mobyfs\nType=btrfs\nOptions=loop\n",
            apply:
                "systemctl daemon-reload; systemctl stop mobyfs.service; systemctl start var-lib-mobyfs.mount mobyfs.service",
            undo:
                "systemctl stop mobyfs.service; umount -q /var/lib/mobyfs; systemctl daemon-reload; systemctl start mobyfs.service",
            body)
        try await run("rm", "/root/pool")
    }
}
