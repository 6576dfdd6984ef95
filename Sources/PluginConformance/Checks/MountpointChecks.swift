// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Glibc
import MobyFSHost
import SystemPackage

extension Check {
    private static let copyUp = "moby container/container_unix.go CopyImagePathContent"

    /// What a mountpoint is like, for plugins on this host.
    static let mountpoints: [Check] = [
        Check(
            "mountpoint-exists", .required, "The path that Mount answers is a directory of this host",
            source: "moby volume/mounts Setup: it is looked up in the engine's mount namespace", needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            guard session.isLocal else {
                throw NotObservable("the plugin is on another host, so that '\(volume.mountpoint)' cannot be looked at")
            }
            let isDirectory = try await HostFiles.run(within: session.limits.files, on: volume.mountpoint) {
                Directories.isDirectory(FilePath(volume.mountpoint))
            }
            switch isDirectory {
            case true: return "\(volume.exchange); it is there"
            case false: throw volume.exchange.violation("that is no directory")
            case nil:
                throw volume.exchange.violation(
                    "there is no such path here: is the plugin in another mount namespace, a container or a service with "
                        + "PrivateMounts=?")
            }
        },
        Check(
            "mountpoint-writable", .advised, "Files can be written to the path that Mount answers, and read again",
            source: "a volume that is meant to be read only need not keep this", needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            let name = ".\(session.newName())"
            return try await session.look(at: volume.mountpoint) { directory in
                let path = directory.appending(name)
                let content = Array("mobyfs\n".utf8)
                do {
                    try DurableFile.write(content, to: path, isDurable: false)
                    let read = try DurableFile.read(path)
                    Glibc.unlink(path.string)
                    guard read == content else {
                        throw Violation("'\(path)' holds other bytes than were written to it")
                    }
                } catch let error as SystemCallError {
                    // A new volume may well be root's.
                    if geteuid() != 0, error.errno == .permissionDenied { throw NotObservable("\(error)") }
                    throw Violation("\(error)")
                }
                return "a file in '\(directory)' was written and read"
            }
        },
        Check(
            "mountpoint-empty", .advised, "A new volume is empty",
            source:
                "\(copyUp): the image's files are copied into it only then, and its owner and mode set, since 18.03",
            needs: .consent
        ) { session in
            let volume = try await session.newMountedVolume()
            return try await session.look(at: volume.mountpoint) { directory in
                let entries = try Directories.entries(of: directory)
                guard entries.isEmpty else {
                    throw Violation("'\(directory)' of a new volume has \(entries.sorted().listed()) in it")
                }
                return "'\(directory)' is empty"
            }
        },
        Check(
            "mountpoint-owner", .advised, "A volume takes the owner and the mode of the image's directory",
            source: "\(copyUp): else `docker create` fails where the image has files at that path", needs: .consent
        ) { session in
            guard geteuid() == 0 else { throw NotObservable("only root can change the owner of a directory") }
            let volume = try await session.newMountedVolume()
            return try await session.look(at: volume.mountpoint) { directory in
                do {
                    // What is told may be a link to it.
                    let opened = try FileDescriptor.open(
                        directory, .readOnly, options: [.directory, .closeOnExec])
                    try opened.closeAfter {
                        try Directories.set(
                            owner: 1, group: 1, mode: 0o750, of: opened.rawValue, named: directory)
                    }
                } catch {
                    throw Violation("\(error)")
                }
                return "'\(directory)' took owner 1 and mode 0750"
            }
        },
    ]
}
