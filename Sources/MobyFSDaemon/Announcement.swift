// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import MobyFSVolumes
import SystemPackage
import Systemd

/// Tells the world that the daemon serves: systemd, the log, and a person at a terminal.
struct Announcement: Sendable {
    let configuration: Configuration
    /// Whether there may be a person to talk to.
    let greets: Bool
    let systemd: ServiceManager
    let volumes: VolumeManager
    let status: StatusLine
    let logger: Logger

    func serving(on addresses: [String]) {
        systemd.ready(status: status.description)
        logger.notice(
            "ready", metadata: ["version": "\(Daemon.version)", "addresses": "\(addresses.joined(separator: ", "))"])
        for address in configuration.insecure {
            logger.warning(
                "plain TCP is served: anybody who reaches this address decides over every volume",
                metadata: ["address": "\(address)"])
        }
        if greets { greet(addresses) }
    }

    private func greet(_ addresses: [String]) {
        let counts = volumes.counts
        print(
            "mobyfs \(Daemon.version) is ready: \(counts.volumes) volumes in \(configuration.dataDirectory), "
                + "listening on \(addresses.joined(separator: " and "))")
        guard let address = addresses.first, let scheme = address.firstRange(of: "://") else { return }
        let rest = address[scheme.upperBound...]
        switch address[..<scheme.lowerBound] {
        case "unix":
            print("try: curl --unix-socket \(rest) -d '{\"Name\":\"demo\"}' http://mobyfs/VolumeDriver.Create")
            print("     curl --unix-socket \(rest) -d '{}' http://mobyfs/VolumeDriver.List")
            if access("/var/run/docker.sock", F_OK) == 0 {
                print(
                    "     mobyfs spec write --name mobyfs-try --address \(address) && "
                        + "docker run --rm -v demo:/data --volume-driver=mobyfs-try busybox df /data; "
                        + "mobyfs spec remove --name mobyfs-try")
            }
        case "https":
            let client = configuration.tls?.client
            let arguments = [
                "--cacert", configuration.tls?.authorities.string ?? "CA",
                "--cert", client?.certificate.string ?? "CERTIFICATE", "--key", client?.key.string ?? "KEY",
            ]
            print("try: curl \(arguments.joined(separator: " ")) -d '{}' \(address)/VolumeDriver.List")
        default:
            print("try: curl -d '{}' http://\(rest)/VolumeDriver.List")
        }
        fflush(nil)
    }
}
