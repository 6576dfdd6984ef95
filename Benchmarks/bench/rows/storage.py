# SPDX-License-Identifier: Apache-2.0
"""What is durable when it is answered: volumes created and removed, and images made."""

import json
import shutil
import subprocess
import time
from pathlib import Path

from calls import Connection, Request, measure
from results import Line, at_least, at_most, compare
from servers import Server, Servers
from workplace import Skipped, Workplace

AT_ONCE = 16


def create(place: Workplace) -> list[Line]:
    """Create + Remove of directory volumes, beside a program that only waits for the disk as often."""
    count = 100 if place.options.is_quick else 400
    ours: dict[int, list[float]] = {1: [], AT_ONCE: []}
    alone: dict[int, list[float]] = {1: [], AT_ONCE: []}
    with Servers(place, is_pinned=False) as servers:
        server = servers.mobyfs(0)
        for _ in range(place.options.rounds):
            for connections in ours:
                pairs = count if connections == 1 else count * 4
                alone[connections].append(fsyncs(place, pairs, connections))
                ours[connections].append(created_and_removed(place, server, pairs, connections))
    return [
        line
        for connections, label in ((1, "one by one"), (AT_ONCE, f"{AT_ONCE} at once"))
        for line in [
            compare(
                "create", f"{label}, Create + Remove", "ms", [1000 / rate for rate in ours[connections]], "fsyncs",
                [1000 / rate for rate in alone[connections]], at_most(1.2))
        ]
    ] + [
        compare(
            "create", f"{AT_ONCE} at once, pairs", "1/s", ours[AT_ONCE], "one by one", ours[1], at_least(5)),
        compare("create", f"fsyncs, {AT_ONCE} at once, pairs", "1/s", alone[AT_ONCE], "one by one", alone[1]),
    ]


def created_and_removed(place: Workplace, server: Server, pairs: int, connections: int) -> float:
    """Pairs in a second."""
    name = '{"Name":"bench%i"'
    request = Request([("VolumeDriver.Create", name + ',"Opts":{}}'), ("VolumeDriver.Remove", name + "}")])
    calls = measure(place, server, request, is_pinned=False, connections=connections, cycles=pairs)
    return calls.per_second / 2


def fsyncs(place: Workplace, pairs: int, threads: int) -> float:
    """Pairs in a second, of the fsyncs alone."""
    command = [str(place.tool("fsyncs")), str(place.disk / "fsyncs"), str(pairs), str(threads)]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result["pairs"] / result["seconds"]


def image(place: Workplace) -> list[Line]:
    """Create to mounted of 10 GiB, beside mkfs and mount with the same options."""
    for program in "mkfs.ext4", "losetup":
        if shutil.which(program) is None:
            raise Skipped(f"{program} is not installed")
    ours, bare = [], []
    with Servers(place, is_pinned=False) as servers, Connection(servers.mobyfs(0)) as connection:
        for _ in range(place.options.rounds):
            bare.append(bare_image(place.disk / "bare.img", place.memory / "bare"))
            ours.append(image_volume(connection))
    return [compare("image", "10 GiB, Create to mounted", "ms", ours, "mkfs + mount", bare, at_most(2))]


def image_volume(connection: Connection) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    connection.call("Create", Name="image", Opts={"driver": "image", "size": "10GiB"})
    connection.call("Mount", Name="image", ID="bench")
    taken = time.perf_counter() - began
    connection.call("Unmount", Name="image", ID="bench")
    connection.call("Remove", Name="image")
    return taken * 1000


def bare_image(image: Path, mountpoint: Path) -> float:
    """Milliseconds, with the arguments that mobyfs gives to mkfs and the kernel."""
    mountpoint.mkdir(exist_ok=True)
    mkfs = ["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1"]
    began = time.perf_counter()
    with image.open("wb") as file:
        file.truncate(10 << 30)
    subprocess.run(mkfs + [image], check=True)
    subprocess.run(["mount", "-o", "loop,noinit_itable,discard", image, mountpoint], check=True)
    taken = time.perf_counter() - began
    subprocess.run(["umount", mountpoint], check=True)
    image.unlink()
    return taken * 1000
