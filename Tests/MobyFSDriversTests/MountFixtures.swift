// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// Things of a test that go by the names of volumes, however long those are.
private actor Numbered {
    private var values: [String: Task<String, any Error>] = [:]

    /// What was made for a name; it is made once, whoever else waits for it.
    func value(for name: String, _ make: @escaping @Sendable (Int) async throws -> String) async throws -> String {
        let number = values.count
        let task = values[name] ?? Task { try await make(number) }
        values[name] = task
        return try await task.value
    }
}

extension DriverFixture {
    /// Volumes that are mounts of something that is made for each.
    private static func mount(
        of storage: String, lack: String?, isRemote: Bool = false, options: [String: String],
        device: @escaping @Sendable (_ root: FilePath, _ number: Int) async throws -> (device: String, o: String?),
        tearDown: @escaping @Sendable (FilePath) async throws -> Void = { _ in }
    ) -> DriverFixture {
        DriverFixture("mount", with: storage, lack: lack, ownsData: false, isRemote: isRemote) { root in
            let made = Numbered()
            return DriverGround(
                drivers: drivers,
                options: { name in
                    let text = try await made.value(for: name) { number in
                        let (device, o) = try await device(root, number)
                        return o.map { "\(device) \($0)" } ?? device
                    }
                    let parts = text.split(separator: " ", maxSplits: 1).map(String.init)
                    var given = options
                    given["device"] = parts[0]
                    if parts.count > 1 { given["o"] = parts[1] }
                    return given
                }, tearDown: { try await tearDown(root) })
        }
    }

    private static func makeFolders(_ paths: FilePath...) throws {
        for path in paths { try Directories.create(path, mode: 0o755) }
    }

    /// A folder of the host.
    static let mountOfFolder = mount(of: "a folder", lack: lack(), options: ["type": "none"]) { root, number in
        let folder = root.appending("folder-\(number)")
        try makeFolders(folder)
        return (folder.string, "bind")
    }

    static let mountOfOverlay = mount(
        of: "overlay", lack: lack(fileSystems: ["overlay"]), options: ["type": "overlay"]
    ) { root, number in
        let folder = root.appending("overlay-\(number)")
        let (lower, upper, work) = (folder.appending("lower"), folder.appending("upper"), folder.appending("work"))
        try makeFolders(lower, upper, work)
        return ("overlay", "lowerdir=\(lower),upperdir=\(upper),workdir=\(work)")
    }

    /// A disk of the host.
    static let mountOfDisk = mount(
        of: "a disk", lack: lack(fileSystems: ["ext4"], programs: [TestFileSystem.ext4.maker]),
        options: ["type": "ext4"],
        device: { root, number in
            let image = root.appending("disk-\(number)")
            // What mkfs.ext4 puts there is the owner's to remove: the volume is the file system as it is.
            let device = try await MountServers.shell(
                """
                truncate -s 32M \(image)
                mkfs.ext4 -q \(image)
                debugfs -w -R 'rmdir lost+found' \(image) 2>/dev/null
                losetup --find --show \(image)
                """)
            return (device.split(separator: "\n").joined(), "noatime")
        },
        tearDown: { root in
            try await MountServers.shell(
                "for i in \(root)/disk-*; do losetup -j $i -n -O NAME | xargs -r losetup -d; done")
        })

    /// A folder behind the ssh server of the running suite.
    static let mountOfSSHFS = mount(
        of: "sshfs", lack: lack() ?? (SSHServer.isHere ? nil : "needs openssh-server, sshfs and openssl"),
        isRemote: true, options: ["type": "fuse.sshfs"]
    ) { root, number in
        let server = try #require(SSHServer.shared)
        let folder = root.appending("share-\(number)")
        try makeFolders(folder)
        return ("root@127.0.0.1:\(folder)", "\(server.trust),IdentityFile=\(server.key),PasswordAuthentication=no")
    }

    /// A folder of the two-brick volume of the running suite.
    static let mountOfGlusterFS = mount(
        of: "glusterfs",
        lack: lack() ?? (GlusterServer.isHere ? nil : "needs glusterfs-server, glusterfs-client, iproute2"),
        isRemote: true, options: ["type": "glusterfs"]
    ) { root, number in
        let server = try #require(GlusterServer.shared)
        let folder = try #require(root.lastComponent).string + "-\(number)"
        try makeFolders(server.mountpoint.appending(folder))
        return ("\(server.address):/vol/\(folder)", nil)
    }
}

// MARK: - Servers for a whole suite

extension SSHServer {
    @TaskLocal static var shared: SSHServer?

    static var isHere: Bool { MountServers.has("sshd", "sshfs", "openssl") }
}

extension GlusterServer {
    @TaskLocal static var shared: GlusterServer?

    /// Where the volume is mounted for the tests themselves, to make folders in it.
    var mountpoint: FilePath { root.appending("mounted") }
}

/// Runs a suite with an ssh server.
struct WithSSHServer: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await SSHServer.with { try await SSHServer.$shared.withValue($0, operation: function) }
    }
}

/// Runs a suite with a GlusterFS server, whose volume is mounted.
struct WithGlusterServer: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await GlusterServer.with { server in
            try await MountServers.shell(
                "mkdir \(server.mountpoint); mount -t glusterfs \(server.address):/vol \(server.mountpoint)")
            do {
                try await GlusterServer.$shared.withValue(server, operation: function)
            } catch {
                try Mounts.unmount(server.mountpoint)
                throw error
            }
            try Mounts.unmount(server.mountpoint)
        }
    }
}

extension Trait where Self == WithSSHServer {
    static var sshServer: Self { Self() }
}

extension Trait where Self == WithGlusterServer {
    static var glusterServer: Self { Self() }
}
