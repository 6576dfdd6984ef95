// SPDX-License-Identifier: Apache-2.0

/// Clients of the engine in the host that create, fill, use and remove volumes without a pause, and say what was acknowledged.
///
/// What they say goes through a pipe to this machine, so a power cut in the host does not take it along.
enum HostLoad {
    static let clients = 3
    /// Load volumes are named `load-CLIENT-NUMBER`.
    static let prefix = "load-"

    private static let folder = "/root/torture"

    private static let script = #"""
        dir=$1 client=$2 RANDOM=$3 number=0 user= used=
        declare -A has
        # call WORD VOLUME REST COMMAND...: makes a call and says so before and after.
        call() {
          local word=$1 volume=$2 rest=$3 t=${EPOCHREALTIME/./} out status=0; shift 3
          echo "do $word $volume 0 $rest"
          out=$(timeout 60 "$@" 2>&1 </dev/null) || status=$?
          t=$(( (${EPOCHREALTIME/./} - t) / 1000 ))
          if [ $status = 0 ]; then echo "ok $word $volume $t $rest"
          else echo "no $word $volume $t $status $(tr '\n' ' ' <<<"$out")"; return 1; fi
        }
        kinds=("" "mode=0710 uid=1500" "fs=ext4 size=16M" "type=tmpfs o=size=4m device=tmpfs")
        for v in $(docker volume ls -q -f driver=mobyfs | grep "^load-$client-"); do has[$v]=1; done
        while [ ! -e "$dir/stop" ]; do
          number=$((number + 1)) v=load-$client-$((RANDOM % 4))
          case ${has[$v]:-0}$((RANDOM % 8)) in
            0*) options=${kinds[RANDOM % 4]}
              has[$v]=-
              call create $v "$options" docker volume create -d mobyfs ${options:+-o ${options// / -o }} $v && has[$v]=1 ;;
            1[0-2]) line=$3.$number
              call write $v $line docker run --rm --network none -v $v:/data bb:1 \
                sh -c "echo $line | dd of=/data/log oflag=append conv=notrunc,fsync" || has[$v]=- ;;
            1[34]) if [ -z "$used" ]; then
                used=$v
                call start $v "" docker run -d --name user-$client --stop-signal KILL --network none -v $v:/data bb:1 sleep 100000 ||
                  has[$v]=-
              else
                call end $used "" docker rm -f user-$client || has[$used]=-
                used=
              fi ;;
            1[56]) call copy directory "" docker cp /etc/hostname directory:/data/copy-$client || true ;;
            17) [ "$v" = "$used" ] || { has[$v]=-; call rm $v "" docker volume rm $v && has[$v]=0; } ;;
            *) sleep 0.1 ;;
          esac
        done
        """#

    /// Runs the clients while the body goes on, be it that it takes the host down with them.
    ///
    /// - Returns: What they said, and what the residents did.
    static func run(on host: EngineHost, seed: UInt64, while body: () async throws -> Void) async throws -> [String] {
        try await host.run("rm", "-rf", folder)
        try await host.write(script, to: "\(folder)/client.sh")
        let logs = "/var/lib/docker/containers/*/*-json.log"
        let seeds = "$((\(seed % 10_000) + i))"
        async let output = host.attempt([
            "bash", "-c",
            """
            cd \(folder); tail -q -n 0 -F \(logs) 2>/dev/null & tail=$!
            for i in $(seq \(clients)); do bash client.sh \(folder) $i \(seeds) & all+=($!); done
            wait "${all[@]}"; sleep 0.3; kill $tail
            """,
        ])
        try await body()
        // A host that went down meanwhile came back without them.
        try await host.run("touch", "\(folder)/stop")
        return try await output.standardOutput.lines
    }
}
