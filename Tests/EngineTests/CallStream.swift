// SPDX-License-Identifier: Apache-2.0

/// Clients in the host that make volume calls without a pause, and keep book of what failed.
struct CallStream {
    struct Report {
        let rounds: Int
        /// One line for each call that failed: the command and its standard error.
        let failures: [String]
        let slowestMilliseconds: Int
    }

    private static let folder = "/root/stream"
    private static let clients = 4

    /// Each client creates, inspects, lists and removes volumes; the first one runs containers on them, too.
    private static let script = #"""
        dir=$1 client=$2 round=0
        call() {
          local t=${EPOCHREALTIME/./}
          "$@" >"$dir/out.$client" 2>"$dir/err.$client" ||
            echo "$(date +%T.%3N) $*: $(tr '\n' ' ' <"$dir/err.$client")" >>"$dir/failed"
          echo $(( (${EPOCHREALTIME/./} - t) / 1000 )) >>"$dir/times.$client"
        }
        has() { docker volume ls -q -f driver=mobyfs | grep -qxF "$1" || { echo "not listed" >&2; false; }; }
        while [ ! -e "$dir/stop" ]; do
          v=stream-$client-$round
          call docker volume create -d mobyfs "$v"
          call docker volume inspect -f '{{.Status.driver}}' "$v"
          call has "$v"
          [ "$client" != 1 ] || call docker run --rm --network none -v "$v:/data" bb:1 touch /data/f
          call docker volume rm "$v"
          round=$((round + 1))
          echo "$round" >"$dir/rounds.$client.new"; mv "$dir/rounds.$client.new" "$dir/rounds.$client"
        done
        """#

    private let host: EngineHost

    /// Runs the clients for as long as the body takes.
    static func run(on host: EngineHost, while body: (CallStream) async throws -> Void) async throws -> Report {
        try await host.run("rm", "-rf", folder)
        try await host.write(script, to: "\(folder)/client.sh")
        let stream = CallStream(host: host)
        async let clients = host.bash(
            "for i in $(seq \(clients)); do bash \(folder)/client.sh \(folder) $i & done; wait")
        do {
            try await stream.waitForProgress()
            try await body(stream)
        } catch {
            try await host.run("touch", "\(folder)/stop")
            throw error
        }
        try await host.run("touch", "\(folder)/stop")
        _ = try await clients
        return try await stream.report()
    }

    /// Waits until every client has finished the round that it is in, and one more from its begin to its end.
    func waitForProgress() async throws {
        let before = try await rounds()
        try await eventually(within: .seconds(60), "every client makes progress") {
            try await zip(rounds(), before).allSatisfy { $0 >= $1 + 2 }
        }
    }

    private func rounds() async throws -> [Int] {
        let text = try await host.bash(
            "for i in $(seq \(Self.clients)); do cat \(Self.folder)/rounds.$i 2>/dev/null || echo 0; done")
        return text.lines.compactMap { Int($0) }
    }

    private func report() async throws -> Report {
        let failed = "\(Self.folder)/failed"
        let slowest = try await host.bash("cat \(Self.folder)/times.* | sort -n | tail -n 1")
        return Report(
            rounds: try await rounds().reduce(0, +),
            failures: try await host.exists(failed) ? try await host.read(failed).lines : [],
            slowestMilliseconds: Int(slowest) ?? -1)
    }
}
