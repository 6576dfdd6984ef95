// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery
import Glibc
import Logging
import MobyFSVolumes
import SystemPackage
import Systemd

/// Tells the world that the daemon serves, and later that it does no more: the spec file for a TCP port,
/// systemd, and a person at a terminal.
struct Announcement: Sendable {
    let configuration: Configuration
    let systemd: ServiceManager
    let volumes: VolumeManager
    let logger: Logger

    /// A spec file that was written, and what it replaced.
    struct Written: Sendable {
        let file: SpecFile
        let address: String
        let before: String?
    }

    func serving(on addresses: [String]) throws -> Written? {
        let written = try writeSpecFile(addresses)
        systemd.ready(status: volumes.statusLine)
        logger.notice(
            "ready", metadata: ["version": "\(Daemon.version)", "addresses": "\(addresses.joined(separator: ", "))"])
        if !systemd.isPresent { greet(addresses) }
        return written
    }

    /// A port that the engine is to use is told by a spec file, for as long as it is served.
    private func writeSpecFile(_ addresses: [String]) throws -> Written? {
        guard configuration.port != nil, let address = addresses.last else { return nil }
        let file = SpecFile(name: "mobyfs", directory: configuration.specDirectory.string)
        let before = try file.address()
        do {
            try file.write(address: address)
        } catch {
            throw ConfigurationError(
                "engines cannot be told of the port: \(error); choose another folder with --spec-dir")
        }
        logger.info("spec file written", metadata: ["file.path": "\(file.path)", "address": "\(address)"])
        // A unix socket is somebody's until it is taken away. A port may have been ours, before a crash.
        return Written(file: file, address: address, before: before?.hasPrefix("unix://") == true ? before : nil)
    }

    /// Takes the spec file away, or puts the one back that it replaced: that of the socket unit, say.
    func stopped(_ written: Written?) {
        guard let written else { return }
        do {
            if let before = written.before {
                try written.file.write(address: before)
            } else {
                try written.file.remove(address: written.address)
            }
        } catch {
            logger.error("the spec file stays behind", metadata: ["error": "\(error)"])
        }
    }

    private func greet(_ addresses: [String]) {
        let counts = volumes.counts
        print(
            "mobyfs \(Daemon.version) is ready: \(counts.volumes) volumes in \(configuration.dataDirectory), "
                + "listening on \(addresses.joined(separator: " and "))")
        if let path = addresses.first(where: { $0.hasPrefix("unix://") })?.dropFirst("unix://".count) {
            print("try: curl --unix-socket \(path) -d '{\"Name\":\"demo\"}' http://mobyfs/VolumeDriver.Create")
            print("     curl --unix-socket \(path) -d '{}' http://mobyfs/VolumeDriver.List")
            if access("/var/run/docker.sock", F_OK) == 0 {
                print(
                    "     mobyfs spec write --name mobyfs-try --address unix://\(path) && "
                        + "docker run --rm -v demo:/data --volume-driver=mobyfs-try busybox df /data; "
                        + "mobyfs spec remove --name mobyfs-try")
            }
        } else if let address = addresses.first(where: { $0.hasPrefix("tcp://") })?.dropFirst("tcp://".count) {
            print("try: curl -d '{}' http://\(address)/VolumeDriver.List")
        }
        fflush(nil)
    }
}

extension VolumeManager {
    /// What `systemctl status` shows: `12 volumes, 3 in use`.
    var statusLine: String {
        let counts = counts
        let trouble = poolTrouble.map { "; TROUBLE: \($0)" } ?? ""
        return "\(counts.volumes) volume\(counts.volumes == 1 ? "" : "s"), \(counts.inUse) in use\(trouble)"
    }
}
