// SPDX-License-Identifier: Apache-2.0

import Testing
import TortureSupport

/// One torture of a host: residents and load that are hit again and again, and all that is known of them.
struct HostTorture {
    /// What a fault leaves running.
    enum Survivors { case all, nothing, memory }

    let host: EngineHost
    private let fault: String
    private let seed = UInt64.random(in: 0...UInt64.max)
    private var generator: SeededGenerator
    private(set) var ledger = VolumeLedger()
    /// The last number that each resident said was synced.
    private var written: [String: Int] = [:]
    /// How often residents may have found their volume without its mark, as it was in memory.
    private var emptied = 0
    private var starts: [Duration] = []
    private var findings: [TortureFinding] = []
    private var times = 0
    /// Containers that the engine had lost and left running.
    private var orphans = 0
    /// Containers that it could not end, or did not know to run.
    private var strays = 0

    init(_ fault: String, on host: EngineHost) {
        (self.fault, self.host) = (fault, host)
        generator = SeededGenerator(seed: seed)
    }

    private mutating func find(_ kind: Torture.Loss, _ text: String) {
        findings.append(TortureFinding(kind, "round \(times): \(text)"))
    }

    // MARK: - Going on

    /// Makes the residents and waits until each has written something.
    func prepare() async throws {
        if Resident.all.contains(where: { $0.storage == .sshfs }) {
            // The server is this host itself, and a container is started once and not again.
            try await host.prepareSSH()
            try await host.write("[Unit]\nAfter=ssh.service\n", to: Self.dropIn)
            try await host.run("systemctl", "daemon-reload")
        }
        for resident in Resident.all where resident.shared == nil {
            try await host.createVolume(resident.volume, on: resident.storage)
            try await host.inContainer("touch /data/mark; sync", volumes: "\(resident.volume):/data")
        }
        for resident in Resident.all { try await host.start(resident) }
        for resident in Resident.all {
            try await eventually("'\(resident.name)' writes") {
                try await host.exec(resident.name, "cat /data/log-\(resident.name)") != ""
            }
        }
        // What is at stake is what comes from now on, not what the engine does with its containers.
        try await host.run("sync")
    }

    func cleanUp() async throws {
        try await host.bash("rm -f \(Self.dropIn); systemctl daemon-reload")
    }

    private static let dropIn = "/etc/systemd/system/docker.service.d/torture.conf"

    /// Hits once at a random moment under load, and compares all of it.
    mutating func round(_ survivors: Survivors, _ hit: () async throws -> Void) async throws {
        times += 1
        let before = try await processIDs()
        let start = try await host.bash("date +%s")
        let delay = Duration.milliseconds(Int.random(in: 200...4000, using: &generator))
        let seed = generator.next()
        let lines = try await HostLoad.run(on: host, seed: seed) {
            try await Task.sleep(for: delay)
            try await hit()
            if survivors == .all { try await Task.sleep(for: .seconds(1)) }
        }
        let strays = try await endStrays(since: start)
        for line in lines { note(line, patience: strays == 0 ? VolumeLedger.patience : .seconds(60)) }
        if survivors == .nothing {
            ledger.forgetMemory()
            for resident in Resident.all where !resident.storage.isLasting { written[resident.name] = nil }
            emptied += Resident.all.count { !$0.storage.isLasting }
        }
        if strays == 0 { starts.append(try await host.engineStart()) }
        if survivors == .all, try await processIDs() != before { find(.lost, "a container was ended") }
        try await checkResidents(survivors)
        try await checkLoad()
        try await checkLeaks()
        // Those that died are started again, with the mount IDs that they had.
        for resident in Resident.all where !resident.isLasting {
            try await host.docker("restart", "-t", "0", resident.name)
        }
    }

    /// Containers that the engine waits for half a minute as it starts, in vain, and then takes for ones that are starting: it
    /// was killed while it started them, and containerd knows them by half.
    ///
    /// - Returns: How many there were; they are ended, and started again.
    private mutating func endStrays(since start: String) async throws -> Int {
        let ids = try await host.bash(
            """
            ids=$(journalctl -u docker.service --since=@\(start) -o cat | grep -F 'did not receive an exit event' |
              grep -oE 'container=[0-9a-f]{64}' | cut -d= -f2 | sort -u || true)
            for id in $ids; do
              ctr -n moby tasks kill -s KILL "$id" >/dev/null 2>&1 || true
              ctr -n moby tasks delete -f "$id" >/dev/null 2>&1 || true
              docker restart -t 0 "$id" >/dev/null || true
              echo "$id"
            done
            """
        ).lines
        strays += ids.count
        return ids.count
    }

    private mutating func note(_ line: String, patience: Duration) {
        // {"log":"resident NAME wrote NUMBER\n","stream":…
        let words = line.split { " \\\"".contains($0) }.map(String.init)
        guard let start = words.firstIndex(of: "resident") else { return ledger.note(line, patience: patience) }
        guard words.count > start + 3, words[start + 2] == "wrote", let number = Int(words[start + 3]) else { return }
        written[words[start + 1]] = number
    }

    private func processIDs() async throws -> [String] {
        let names = Resident.all.map(\.name)
        return try await host.attemptDocker(["inspect", "-f", "{{.Name}} {{.State.Pid}}"] + names).get().lines
    }

    // MARK: - Comparing

    /// Those that go on write on, after all they had written before, into what is the volume for the host as well.
    private mutating func checkResidents(_ survivors: Survivors) async throws {
        for resident in Resident.all {
            let name = resident.name
            guard resident.isLasting || survivors == .all else {
                do {
                    try await eventually("'\(name)' has ended") { try await !host.isRunning(name) }
                } catch { find(.wrong, "\(error)") }
                continue
            }
            do {
                try await waitUntilRunning(name)
                let first = try await numbers(of: resident)
                try await eventually(within: .seconds(15), "'\(name)' writes on") {
                    try await numbers(of: resident).count > first.count
                }
                if let last = written[name], first.count < last {
                    find(.lost, "'\(name)' wrote \(last), has \(first.count)")
                }
                if first != Array(1...max(1, first.count)) { find(.wrong, "'\(name)' has a log that is not 1, 2, …") }
                let inspection = try await host.inspectVolume(resident.volume)
                let seen = try await host.read("\(inspection.mountpoint)/log-\(name)").lines.count
                if seen < first.count {
                    find(.wrong, "'\(name)' has another volume than the host: \(seen) < \(first.count)")
                }
                if (inspection.status?.mounts ?? 0) < 1 { find(.wrong, "'\(name)' holds nothing") }
                if try await host.refusalToRemove(resident.volume) == nil {
                    find(.lost, "'\(name)' was removed in use")
                }
            } catch {
                find(.wrong, "\(error)")
            }
        }
        let complaints = try await host.bash(
            "cat /var/lib/docker/containers/*/*-json.log | grep -oE 'resident [a-z0-9]+ (empty|bad [0-9]+)' || true"
        ).lines
        let bad = complaints.filter { $0.contains(" bad ") || !$0.contains("memory") }
        for complaint in Set(bad) { find(.lost, complaint) }
        if complaints.count - bad.count > emptied { find(.lost, "a volume in memory was emptied without a reboot") }
    }

    /// Waits for a container that the engine is to start again.
    private mutating func waitUntilRunning(_ name: String) async throws {
        func wait() async throws {
            try await eventually(within: .seconds(30), "'\(name)' runs") { try await host.isRunning(name) }
        }
        do {
            try await wait()
        } catch {
            // Killed while it started it, the engine takes it for ended though containerd runs it, and lets it be.
            let id = try await host.docker("inspect", "-f", "{{.Id}}", name)
            guard try await host.run("ctr", "-n", "moby", "tasks", "ls", "-q").lines.contains(id) else {
                let state = try await host.docker("inspect", "-f", "{{json .State}}", name)
                throw NotInTime(description: "\(error): \(state)")
            }
            strays += 1
            try await host.bash(
                """
                ctr -n moby tasks kill -s KILL \(id) || true
                ctr -n moby tasks delete -f \(id) || true
                docker restart -t 0 \(id)
                """)
            try await wait()
        }
    }

    private func numbers(of resident: Resident) async throws -> [Int] {
        try await host.exec(resident.name, "cat /data/log-\(resident.name)").lines.map { Int($0) ?? -1 }
    }

    /// Everything that was acknowledged is there; what nobody uses can be removed.
    private mutating func checkLoad() async throws {
        let residents = Resident.all.map(\.name).joined(separator: "|")
        // An engine that is killed while it starts a container does not know afterwards that it runs, and lets it be.
        orphans += try await host.bash(
            """
            docker ps -a --format '{{.Names}}' | { grep -vxE '\(residents)' || true; } | xargs -r docker rm -f >/dev/null
            known=$(docker ps -q --no-trunc)
            for id in $(ctr -n moby tasks ls -q); do
              # It may end by itself meanwhile.
              if ! grep -qxF "$id" <<<"$known"; then echo "$id"; ctr -n moby tasks kill -s KILL "$id" || true; fi
            done
            # Killed earlier still, it leaves the program that was to become the container's.
            pkill -KILL -x 'runc:.2:INIT.' || true
            """
        ).lines.count
        var found: [String: VolumeLedger.Found] = [:]
        let names = try await host.volumeNames().filter { $0.hasPrefix(HostLoad.prefix) }
        if !names.isEmpty {
            let volumes = names.flatMap { ["-v", "\($0):/volumes/\($0)"] }
            let script = "cd /volumes; for v in *; do echo $v $(cat $v/log 2>/dev/null); done"
            let text = try await host.attemptDocker(
                ["run", "--rm", "--network", "none"] + volumes + ["bb:1", "sh", "-c", script]
            ).get()
            for line in text.lines {
                let words = line.split(separator: " ").map(String.init)
                let options = try await host.inspectVolume(words[0]).options ?? [:]
                found[words[0]] = .init(options: options, lines: Array(words.dropFirst()))
            }
        }
        ledger.compare(with: found)
        let chosen = "\(HostLoad.prefix)\(times % HostLoad.clients + 1)-"
        for name in names where name.hasPrefix(chosen) {
            do {
                try await host.waitUntilFree(name, within: .seconds(30))
                ledger.note("do rm \(name) 0")
                try await host.docker("volume", "rm", name)
                ledger.note("ok rm \(name) 0")
            } catch {
                find(.leaked, "'\(name)', which nobody uses, cannot be removed: \(error)")
            }
        }
    }

    /// Nothing is mounted and no loop device is there but for what somebody holds, and each once.
    private mutating func checkLeaks() async throws {
        do {
            try await eventually(within: .seconds(30), "what nobody holds is unmounted") { try await leaks().isEmpty }
        } catch {
            for leak in try await leaks() { find(.leaked, leak) }
        }
    }

    private func leaks() async throws -> [String] {
        let running = try await host.docker("ps", "--format", "{{.Names}}").lines
        let held = Set(Resident.all.filter { running.contains($0.name) }.map(\.volume))
        var leaks = try await host.heldVolumes().filter { !held.contains($0) }.map { "holder of '\($0)'" }
        let mounts = try await host.run("findmnt", "-rno", "TARGET,FSTYPE").lines.filter {
            $0.hasPrefix("/run/mobyfs/mounts/")
        }
        var seen: Set<String> = []
        for mount in mounts where !mount.hasSuffix(" tmpfs") {
            let name = String(mount.split(separator: " ")[0].dropFirst("/run/mobyfs/mounts/".count))
            if !held.contains(name) || !seen.insert(name).inserted { leaks.append("mount '\(mount)'") }
        }
        // Those of other hosts have the same paths.
        let loops = try await host.bash(
            """
            disk=$(mountpoint -d /)
            losetup -l -n -O BACK-MAJ:MIN,BACK-FILE | awk -v d="$disk" '$1 == d && $2 ~ "^/var/lib/mobyfs" { print $2 }'
            """
        ).lines
        for (file, uses) in Dictionary(grouping: loops, by: { $0 })
        where uses.count > 1 || !held.contains(where: { file.contains("/\($0)/") }) {
            leaks.append("\(uses.count) loop devices with '\(file)'")
        }
        return leaks
    }

    // MARK: - What came of it

    /// Prints the row of the table and fails the test if anything was found.
    func report(baseline: [Duration] = []) {
        let findings = findings + ledger.findings
        let acknowledged = ledger.acknowledged + written.values.reduce(0, +)
        Torture.note(fault, times: times, acknowledged: acknowledged, findings.map(\.kind))
        let quiet = Self.median(baseline).map { ", and \($0) with the engine's own volumes" } ?? ""
        print(
            """
            \(fault): seed \(seed); the engine started in \(Self.median(starts) ?? .zero) (at most \
            \(starts.max() ?? .zero))\(quiet); slowest call \(ledger.slowestMilliseconds) ms; \
            the engine lost \(orphans) running containers, and \(strays) more had to be ended for it
            """)
        for finding in findings.prefix(20) { Issue.record("seed \(seed): \(finding)") }
        // A volume that nobody answers for costs the engine 15 s.
        #expect(starts.allSatisfy { $0 < .seconds(12) }, "the engine's start was delayed")
    }

    private static func median(_ durations: [Duration]) -> Duration? {
        durations.isEmpty ? nil : durations.sorted()[durations.count / 2]
    }
}
