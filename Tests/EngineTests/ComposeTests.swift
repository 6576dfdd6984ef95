// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

extension EngineTests {
    /// Compose files as users of other plugins have them, brought up as they are.
    @Suite(
        .enabled(
            if: EngineRequirements.packages(for: "compose") != nil,
            "needs docker-compose in .build/packages (make test fetches it)"))
    struct ComposeTests {
        let host = EngineHost.shared

        @Test func localPersist() async throws {
            try await host.withCompose("local-persist", names: "local-persist") { compose in
                try await compose.exec("one", "echo shared >/one/f")
                #expect(try await compose.exec("two", "cat f") == "shared")
                #expect(try await host.read("/data/local-persist/data/f") == "shared")
                try await compose.down()
                #expect(try await host.read("/data/local-persist/data/f") == "shared", "data outlives the volume")
                try await compose.up()
                #expect(try await compose.exec("two", "cat f") == "shared")
            }
            try await host.run("rm", "-r", "/data/local-persist")
        }

        @Test func dockerVolumeLoopback() async throws {
            let names = "docker-volume-loopback: driver=image; ashald/docker-volume-loopback:latest: driver=image"
            try await host.withCompose("docker-volume-loopback", names: names) { compose in
                #expect(try await compose.exec("database", "id -u; stat -c '%u:%g %a' /data") == "1000\n1000:1000 750")
                #expect(try await compose.exec("database", "ls -A /data") == "", "no lost+found")
                for (service, type) in [("database", "ext4"), ("logs", "xfs"), ("regular", "ext4")] {
                    #expect(try await compose.exec(service, "awk '$2 == \"/data\" { print $3 }' /proc/mounts") == type)
                }
                let full = try await compose.attempt(
                    "exec", "-T", "database", "dd", "if=/dev/zero", "of=/data/f", "bs=1M", "count=80", "conv=fsync")
                #expect(full.standardError.contains("No space left on device"))
                let image = "\(EngineHost.volumes)/compose_regular/image"
                let blocks = try await host.run("stat", "-c", "%b", image)
                #expect((Int(blocks) ?? 0) * 512 >= 64 << 20, "not sparse")
            }
        }

        @Test(
            .enabled(
                if: EngineRequirements.packages(for: "sshfs") != nil,
                "needs sshfs in .build/packages (make test fetches it)"))
        func vieuxSSHFS() async throws {
            try await host.prepareSSH()
            try await host.bash(
                #"""
                mkdir -p /srv/storage/ssh /srv/storage/password
                id deploy >/dev/null 2>&1 || useradd -m -s /bin/bash deploy
                echo 'deploy:te,st "pass$word" 100%' | chpasswd
                chown deploy /srv/storage/password
                """#)
            try await host.withCompose("vieux-sshfs", names: "vieux/sshfs:latest; vieux/sshfs") { compose in
                try await compose.exec("app", "echo far >/data/f; echo away >/password/f")
                #expect(try await host.read("/srv/storage/ssh/f") == "far")
                #expect(try await host.run("stat", "-c", "%U", "/srv/storage/password/f") == "deploy")
                let mounts = try await host.mounts().filter { $0.contains("fuse.sshfs") }
                #expect(mounts.count == 2)
                // The password is seen nowhere but in the file with the options that it came in.
                try await host.write("pass$word\n", to: "/root/word")
                let seen = try await host.bash(
                    #"""
                    { cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; journalctl -u mobyfs; mobyfs volume ls
                      cat /var/lib/mobyfs/volumes/*/record.json; cat /proc/mounts
                      docker volume inspect -f '{{json .Status}}' compose_by-password; } | tr '\0' '\n' |
                      grep -aFf /root/word || true
                    """#)
                #expect(seen == "")
            }
        }

        /// On kernels without these file systems the options are understood, and the error says what is missing.
        @Test func dockerVolumeNetshare() async throws {
            let known = try await host.run("cat", "/proc/filesystems")
            try #require(!known.contains("nfs4") && !known.contains("cifs"), "this kernel has them: write that test")
            for name in ["nfs", "cifs"] { try await host.installPackages(for: name) }
            let names = "nfs: type=nfs; cifs: type=cifs"
            try await host.withCompose("docker-volume-netshare", names: names, starts: false) { compose in
                // Compose creates volumes by name, and ends at the first that cannot be.
                let output = try await compose.attempt("up", "-d")
                #expect(!output.succeeded)
                let text = output.standardError
                #expect(text.contains("this kernel has no file system 'nfs'"), "\(text)")
                #expect(!text.contains("pa$ss"), "\(text)")
            }
        }

        @Test func theEnginesOwnDriverAndPodmans() async throws {
            try await host.bash("mkdir -p /srv/storage/bound /srv/storage/lower /srv/storage/upper /srv/storage/work")
            try await host.bash("echo below >/srv/storage/lower/f")
            try await host.withCompose("local", names: "") { compose in
                try await compose.exec("app", "echo here >/bound/f; echo above >/layered/g")
                #expect(try await host.read("/srv/storage/bound/f") == "here")
                #expect(try await host.names(in: "/srv/storage/upper") == ["g"])
                #expect(try await compose.exec("app", "cat /layered/f") == "below")
                #expect(
                    try await compose.exec("app", "stat -c '%u %a' /memory; stat -c '%u:%g' /owned")
                        == "1000 1770\n1000:1000")
                for folder in ["memory", "owned"] {
                    let full = try await compose.attempt(
                        "exec", "-T", "app", "dd", "if=/dev/zero", "of=/\(folder)/f", "bs=1M", "count=40", "conv=fsync")
                    #expect(full.standardError.contains("No space left on device"))
                }
            }
        }

        @Test func buttervolume() async throws {
            try await host.withBtrfsPool {
                let names = "anybox/buttervolume:latest: driver=btrfs"
                try await host.withCompose("buttervolume", names: names) { compose in
                    try await compose.exec("db", "echo here >/data/f; head -c 1M /dev/zero >/config/f; sync")
                    let volumes = EngineHost.volumes
                    let flags = try await host.run("lsattr", "-d", "\(volumes)/compose_dbdata/data")
                    #expect(flags.split(separator: " ")[0].contains("C"), "copy on write is off")
                    let compression = try await host.run(
                        "btrfs", "property", "get", "\(volumes)/compose_config/data", "compression")
                    #expect(compression.contains("zstd"))
                    #expect(try await host.run("btrfs", "subvolume", "list", "/var/lib/mobyfs").lines.count == 2)
                }
            }
        }
    }
}

/// A compose file that is up.
struct Compose: Sendable {
    fileprivate let host: EngineHost
    fileprivate let file: String

    func attempt(_ arguments: String...) async throws -> CommandOutput {
        try await host.attempt(["docker-compose", "-p", "compose", "-f", file] + arguments)
    }

    func up() async throws {
        _ = try await attempt("up", "-d").get()
    }

    /// Removes the containers and the volumes.
    func down() async throws {
        _ = try await attempt("down", "-v", "-t", "0").get()
    }

    /// Runs a shell script in the container of a service.
    @discardableResult
    func exec(_ service: String, _ script: String) async throws -> String {
        try await attempt("exec", "-T", service, "sh", "-c", script).get()
    }
}

extension EngineHost {
    /// Brings a compose file of the tests up while mobyfs goes by the names in it; nothing is left of it afterwards.
    fileprivate func withCompose(
        _ name: String, names: String, starts: Bool = true, _ body: (Compose) async throws -> Void
    ) async throws {
        try await installPackages(for: "compose")
        let source = FilePath(#filePath).removingLastComponent().appending("Compose/\(name).yaml")
        let compose = Compose(host: self, file: "/root/compose/docker-compose.yaml")
        try await run("mkdir", "-p", "/root/compose")
        try await copyIn(source, to: compose.file)
        let restart = "systemctl restart mobyfs.service"
        try await withFile("/etc/mobyfs/mobyfs.env", "MOBYFS_NAMES=\(names)\n", apply: restart) {
            do {
                if starts { try await compose.up() }
                try await body(compose)
            } catch {
                try await compose.down()
                throw error
            }
            try await compose.down()
            #expect(try await storedVolumes().isEmpty)
            try await eventually("nothing is mounted any more") { try await mounts().isEmpty }
        }
        // The engine does not look for a further name again.
        try await restartEngine()
    }
}
