# SPDX-License-Identifier: Apache-2.0
"""Commands of a whole Docker Engine on volumes of mobyfs, beside the same on volumes of its built-in driver."""

import os
import subprocess
from pathlib import Path

from results import Line, at_most, compare
from workplace import TOP, Skipped, Workplace

TOOL = TOP / "Tests" / "testbed" / "legacy-host"
SUITE = os.environ.get("MOBYFS_TEST_SUITE", "bookworm")
BUDGETS = {"create": 1.3, "inspect": 1.6, "ls": 1.5, "run": 1.02, "rm": 0.6}

#: Run in the host: each command so many times with each driver, the two in turn. Prints "COMMAND DRIVER MILLISECONDS",
#: of one command, for each round.
SCRIPT = r"""
set -eu
rounds=$1 count=$2
timed() { # COMMAND DRIVER: runs `once NUMBER` for each volume
    local began=$EPOCHREALTIME ended
    for ((i = 0; i < count; i++)); do once $i >/dev/null; done
    ended=$EPOCHREALTIME
    echo "$1 $2 $(((${ended/./} - ${began/./}) / count))"
}
for ((round = 0; round < rounds; round++)); do
    for command in create inspect ls run rm; do
        for driver in mobyfs local; do
            case $command in
                create) once() { docker volume create -d $driver $driver-$1; } ;;
                inspect) once() { docker volume inspect $driver-$1; } ;;
                ls) once() { docker volume ls -q -f driver=$driver; } ;;
                run) once() { docker run --rm -v $driver-$1:/data bb:1 true; } ;;
                rm) once() { docker volume rm $driver-$1; } ;;
            esac
            timed $command $driver
        done
    done
done
"""


def engine(place: Workplace) -> list[Line]:
    deb = package()
    name = f"bench-{os.getpid()}"
    try:
        tool("build", SUITE)
    except RuntimeError as error:
        raise Skipped(f"no host can be made here: {error}") from error
    try:
        tool("boot", name, SUITE)
        tool("copy", name, str(deb), "/root/mobyfs.deb")
        tool("exec", name, "sh", "-c", "DEBIAN_FRONTEND=noninteractive apt-get install -y /root/mobyfs.deb")
        count = 5 if place.options.is_quick else 20
        # The first time, the engine looks for the driver, and reads the programs from the disk.
        tool("exec", name, "bash", "-c", SCRIPT, "-", "1", "2")
        text = tool("exec", name, "bash", "-c", SCRIPT, "-", str(place.options.rounds), str(count))
    finally:
        tool("destroy", name)
    return lines_of(text)


def package() -> Path:
    """The package that the program under test is from."""
    if os.environ.get("BENCH_MOBYFS"):
        raise Skipped("BENCH_MOBYFS names a program, and the engine's host needs a package")
    if os.geteuid() != 0:
        raise Skipped("only root can boot a host for the engine")
    found = sorted((TOP / ".build" / "deb").glob("mobyfs_*.deb"))
    if not found:
        raise Skipped("there is no package: make deb")
    return found[-1]


def tool(*arguments: str) -> str:
    """Runs the test bed's tool, which see; gives what it prints."""
    result = subprocess.run(["bash", TOOL, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        raise RuntimeError(f"legacy-host {arguments[0]}: {result.stderr.strip()[-300:]}")
    return result.stdout


def lines_of(text: str) -> list[Line]:
    seen: dict[str, dict[str, list[float]]] = {command: {"mobyfs": [], "local": []} for command in BUDGETS}
    for line in text.splitlines():
        command, driver, microseconds = line.split()
        seen[command][driver].append(int(microseconds) / 1000)
    return [
        compare("engine", f"docker {'' if command == 'run' else 'volume '}{command}", "ms", values["mobyfs"], "local",
                values["local"], at_most(BUDGETS[command]))
        for command, values in seen.items()
    ]
