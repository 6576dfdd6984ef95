// SPDX-License-Identifier: Apache-2.0

import TortureSupport

/// A container that lives as long as its engine lets it, and writes number after number into its volume.
struct Resident: Sendable {
    /// What it is called, as is its volume, unless it shares another's.
    let name: String
    let storage: Storage
    /// Whether the engine starts it again whenever it is not running.
    let isLasting: Bool
    var shared: String?

    var volume: String { shared ?? name }

    /// All kinds of storage that are quickly made; some share a volume, some die with the engine.
    static let all: [Resident] = {
        var all = [
            Resident(name: "directory", storage: .directory, isLasting: true),
            Resident(name: "ext4", storage: .ext4, isLasting: true),
            Resident(name: "memory", storage: .tmpfs, isLasting: true),
            Resident(name: "twin", storage: .ext4, isLasting: true, shared: "ext4"),
            Resident(name: "brief", storage: .directory, isLasting: false),
            Resident(name: "short", storage: .ext4, isLasting: false),
        ]
        guard Torture.isFull else { return all }
        all.append(Resident(name: "xfs", storage: .xfs, isLasting: true))
        all.append(Resident(name: "btrfs", storage: .btrfs, isLasting: true))
        if Storage.available.contains(.sshfs) {
            all.append(Resident(name: "remote", storage: .sshfs, isLasting: true))
        }
        return all
    }()

    /// Says when it starts what it finds, and then each number once it is synced.
    ///
    /// A folder without the mark is not its volume.
    var script: String {
        let log = "/data/log-\(name)"
        return """
            [ -e /data/mark ] || echo "resident \(name) empty"
            n=$(tail -n 1 \(log) 2>/dev/null) n=${n:-0}
            echo "resident \(name) start $n"
            while n=$((n + 1)); do
              echo $n | dd of=\(log) oflag=append conv=notrunc,fsync 2>/dev/null || { echo "resident \(name) bad $n"; sleep 1; continue; }
              echo "resident \(name) wrote $n"
              sleep 0.2
            done
            """
    }
}

extension EngineHost {
    /// Starts a resident; its volume is there and has the mark.
    func start(_ resident: Resident, driver: String = "mobyfs") async throws {
        let restart = resident.isLasting ? ["--restart", "always"] : []
        let arguments = ["run", "-d", "--name", resident.name, "--stop-signal", "KILL", "--network", "none"] + restart
        let mount = "type=volume,source=\(resident.volume),target=/data,volume-driver=\(driver)"
        _ = try await attemptDocker(arguments + ["--mount", mount, "bb:1", "sh", "-c", resident.script]).get()
    }

    /// How long the engine's last start took.
    func engineStart() async throws -> Duration {
        let times = try await startTimes(of: "docker.service")
        return .microseconds(times.done - times.began)
    }
}
