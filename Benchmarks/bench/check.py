# SPDX-License-Identifier: Apache-2.0
"""`make bench-check`: how many instructions the daemon takes for each hot path, beside Benchmarks/baseline.json.

Counted is what the release build does in user mode for N calls and for more of them: the difference, for each call more,
has no start and no connecting in it. Starts are counted as well, without volumes and for each volume.

A count does not depend on what else the machine does. So that it does not depend on which machine it is either, the daemon
sees a process table of its own, and of the mounts only those that it needs.

The exit status is 1 if a path takes more than it did, beyond a tolerance. BENCH_UPDATE=1 writes the baseline instead.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import machine
from calls import Request, end_load, start_load
from processes import Process
from servers import fresh_folder, mobyfs_command, pool, volume
from workplace import TOP, Workplace

BASELINE = TOP / "Benchmarks" / "baseline.json"
VOLUMES = 1000
REPEATS = 3
#: Set in the process that has namespaces of its own.
INSIDE = "BENCH_CHECK_INSIDE"


@dataclass
class HotPath:
    """Calls to count, and how many cycles of them the two counts are of."""

    request: Request
    few: int
    many: int
    #: By how much a count may be above the baseline's.
    tolerance: float = 0.03
    #: Between two cycles, for work that goes on after the answer.
    wait_us: int = 0


def hot_paths() -> dict[str, HotPath]:
    name = volume(VOLUMES // 2)
    mounted, held = (json.dumps({"Name": name, "ID": id}) for id in ("bench", "holder"))
    return {
        "Get": HotPath(Request.of("Get", f'"Name":"{name}"', Name=name), 100, 500),
        "Path": HotPath(Request.of("Path", name, Name=name), 100, 500),
        "Capabilities": HotPath(Request.of("Capabilities", "local"), 100, 500),
        "Mount + Unmount": HotPath(
            Request([("VolumeDriver.Mount", mounted), ("VolumeDriver.Unmount", mounted)]), 20, 120),
        "Mount + Unmount, held": HotPath(
            Request(
                [("VolumeDriver.Mount", mounted), ("VolumeDriver.Unmount", mounted)],
                before=("VolumeDriver.Mount", held), after=("VolumeDriver.Unmount", held)), 100, 500),
        "List of 1,000": HotPath(Request.of("List", volume(VOLUMES - 1)), 4, 12),
        # The trash is emptied meanwhile, which is counted too.
        "Create + Remove": HotPath(
            Request([
                ("VolumeDriver.Create", '{"Name":"bench%i","Opts":{}}'), ("VolumeDriver.Remove", '{"Name":"bench%i"}'),
            ]), 10, 40, tolerance=0.05, wait_us=100_000),
    }


#: What a start waits for comes in another order each time.
START_TOLERANCE = 0.05


def tolerance(name: str) -> float:
    path = hot_paths().get(name)
    return path.tolerance if path else START_TOLERANCE


def starts(place: Workplace) -> dict[str, float]:
    """What it takes until the daemon is ready, and what each volume more adds to that."""

    def instructions(volumes: int) -> int:
        with Counter(place, volumes) as counter:
            return counter.take()

    empty, full = (min(instructions(volumes) for _ in range(REPEATS)) for volumes in (0, VOLUMES))
    return {"Start": empty, "Start, each volume": (full - empty) / VOLUMES}


class Counter:
    """A daemon under callgrind."""

    def __init__(self, place: Workplace, volumes: int = VOLUMES) -> None:
        self.place = place
        self.folder = fresh_folder(place.build / "callgrind")
        runtime = fresh_folder(place.memory / "counting")
        self.address = f"unix:{runtime}/mobyfs.sock"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.folder}/out", "--fair-sched=yes"]
        # Else tables of names are in another order each time.
        environment = {"SWIFT_DETERMINISTIC_HASHING": "1"}
        self.process = Process(
            command + mobyfs_command(place, pool(place, volumes), runtime), place.log("counting"), environment)
        self.process.wait_until(lambda: "] ready" in self.process.log.read_text(), 120)

    def __enter__(self) -> "Counter":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.stop()

    def take(self) -> int:
        """The instructions since the last time."""
        # What was begun for the last call comes to its end.
        time.sleep(0.5)
        dump = ["vgdb", f"--pid={self.process.pid}", "dump"]
        subprocess.run(dump, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        total = 0
        for file in self.folder.iterdir():
            total += sum(int(count) for count in re.findall(r"^totals: (\d+)", file.read_text(), re.MULTILINE))
            file.unlink()
        return total

    def instructions(self, path: HotPath) -> float:
        """For each cycle. What comes in between now and then only adds: the lowest counts are taken."""
        self._count(path, path.few)
        few = [self._count(path, path.few) for _ in range(REPEATS)]
        many = [self._count(path, path.many) for _ in range(REPEATS)]
        return (min(many) - min(few)) / (path.many - path.few)

    def _count(self, path: HotPath, cycles: int) -> int:
        self.take()
        end_load(start_load(self.place, self.address, path.request, cycles=cycles, wait_us=path.wait_us))
        return self.take()


def isolate() -> None:
    """Starts this program again in namespaces of its own."""
    if os.geteuid() != 0:
        sys.exit("bench-check: only root can give the daemon a process table of its own")
    for program in "valgrind", "vgdb", "unshare":
        if shutil.which(program) is None:
            sys.exit(f"bench-check: {program} is not installed")
    os.environ[INSIDE] = "1"
    namespaces = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp("unshare", ["unshare", *namespaces, sys.executable, __file__])


def hide_mounts(needed: list[Path]) -> None:
    """Takes away what is mounted, here only, where nothing needed is in it."""
    mountpoints = [Path(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mountpoint in reversed(mountpoints):
        if not any(path.is_relative_to(mountpoint) for path in needed):
            subprocess.run(["umount", "--lazy", mountpoint], stderr=subprocess.DEVNULL)


def main() -> int:
    if INSIDE not in os.environ:
        isolate()
    with Workplace() as place:
        hide_mounts([place.build, place.memory, Path("/proc"), Path("/sys"), Path("/dev/null"), Path("/tmp")])
        with Counter(place) as counter:
            counts = {name: counter.instructions(path) for name, path in hot_paths().items()}
        seen = {name: round(count) for name, count in (counts | starts(place)).items()}
    about = {"swift": machine.facts(place)["swift"], "architecture": platform.machine()}
    if os.environ.get("BENCH_UPDATE"):
        BASELINE.write_text(json.dumps({**about, "instructions": seen}, indent=2) + "\n")
        print(f"{BASELINE.relative_to(TOP)} is written: {seen}")
        return 0
    return compare(seen, about, json.loads(BASELINE.read_text()))


def compare(seen: dict[str, int], about: dict[str, str], baseline: dict) -> int:
    risen = []
    unknown = [name for name in seen if name not in baseline["instructions"]]
    if unknown:
        print(f"bench-check: not in the baseline: {', '.join(unknown)}; BENCH_UPDATE=1 adds it", file=sys.stderr)
    print(f"{'instructions for each':24}{'now':>12}{'baseline':>12}{'change':>9}")
    for name, now in seen.items():
        before = baseline["instructions"].get(name)
        if before is None:
            print(f"{name:24}{now:12,}")
            continue
        change = now / before - 1
        remark = ""
        if change > tolerance(name):
            remark = f"  more than {tolerance(name):.0%} above"
            risen.append(name)
        elif change < -tolerance(name):
            remark = "  less: BENCH_UPDATE=1 keeps it there"
        print(f"{name:24}{now:12,}{before:12,}{change:9.1%}{remark}")
    for key, value in about.items():
        if baseline[key] != value:
            print(f"the baseline is of another {key}: {baseline[key]}, and this is {value}")
    if risen:
        print(f"bench-check: {', '.join(risen)} became slower", file=sys.stderr)
    return 1 if risen or unknown else 0


if __name__ == "__main__":
    sys.exit(main())
