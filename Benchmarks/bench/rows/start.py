# SPDX-License-Identifier: Apache-2.0
"""From the start by socket activation to the first whole answer."""

import json
import os
import shlex
import subprocess
from pathlib import Path

from results import Line, at_most, compare, missing
from servers import fresh_folder, go_command, mobyfs_command, pool, rclone_command, volume
from processes import clean_environment
from workplace import Skipped, Workplace

VOLUMES = 10_000
#: Engines send this first.
ACTIVATE = ("Plugin.Activate", "", "VolumeDriver")


def start(place: Workplace) -> list[Line]:
    rounds = place.options.rounds * 3
    lines, empty = [], {"mobyfs": starter_of_mobyfs(place, 0, *ACTIVATE), "go": starter_of_go(place)}
    try:
        empty["rclone"] = starter_of_rclone(place)
    except Skipped as skipped:
        lines.append(missing("start", f"skipped: {skipped}", "no volumes, beside rclone"))
    taken = interleaved(empty, rounds)
    for peer, budget in ("rclone", 0.5), ("go", 2):
        if peer in taken:
            lines.append(
                compare("start", "no volumes", "ms", taken["mobyfs"], peer, taken[peer], at_most(budget)))

    # A volume's own answer: all records have been read by then.
    name = volume(VOLUMES - 1)
    body = json.dumps({"Name": name})
    full = {
        "mobyfs": starter_of_mobyfs(place, VOLUMES, "VolumeDriver.Get", body, f'"Name":"{name}"'),
        "records": [
            str(place.tool("launch")), "-", "", "", "", str(place.tool("records")),
            str(pool(place, VOLUMES) / "volumes"),
        ],
    }
    taken = interleaved(full, rounds)
    lines.append(
        compare(
            "start", f"{VOLUMES:,} volumes", "ms", taken["mobyfs"], "records", taken["records"], at_most(1.5)))
    return lines


def interleaved(starters: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each start. The first of each, which fills the kernel's caches, is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in starters}
    for round in range(rounds + 1):
        for name, command in starters.items():
            result = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
            if result.returncode != 0:
                raise RuntimeError(f"{name}: {result.stderr[-500:].strip()}")
            if round > 0:
                taken[name].append(json.loads(result.stdout)["milliseconds"])
    return taken


def launcher(place: Workplace, folder: Path, method: str, body: str, expected: str) -> list[str]:
    return [str(place.tool("launch")), str(folder / "s.sock"), method, body, expected]


def starter_of_mobyfs(place: Workplace, volumes: int, method: str, body: str, expected: str) -> list[str]:
    runtime = fresh_folder(place.memory / f"start-{volumes}")
    command = mobyfs_command(place, pool(place, volumes), runtime)
    return launcher(place, runtime, method, body, expected) + command


def starter_of_go(place: Workplace) -> list[str]:
    return launcher(place, fresh_folder(place.memory / "start-go"), *ACTIVATE) + go_command(place)


def starter_of_rclone(place: Workplace) -> list[str]:
    home = fresh_folder(place.memory / "start-rclone")
    command = launcher(place, home, *ACTIVATE) + ["env", f"HOME={home}"] + rclone_command(home)
    if Path("/run/systemd/system").is_dir():
        return command
    if os.geteuid() != 0:
        raise Skipped("rclone takes a socket only where systemd runs")
    # It looks for this folder; here there is one that nobody else sees.
    script = f"mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec {shlex.join(command)}"
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
