# SPDX-License-Identifier: Apache-2.0
"""Resident memory (PSS) at rest, under load, and after a million calls."""

import statistics
import time

from calls import Request, end_load, start_load
from processes import cpu_sets
from results import Line, at_most, compare, missing
from servers import Server, Servers, volume
from workplace import Skipped, Workplace

VOLUMES = 1000
CONNECTIONS = 8
STEPS = 10


def memory(place: Workplace) -> list[Line]:
    calls = 100_000 if place.options.is_quick else 1_000_000
    lines, idle, loaded = [], {}, {}
    with Servers(place) as servers:
        peers = [servers.mobyfs(VOLUMES), servers.go(VOLUMES)]
        try:
            peers.append(servers.rclone(VOLUMES))
        except Skipped as skipped:
            lines.append(missing("memory", f"skipped: {skipped}", "beside rclone"))
        time.sleep(2)
        for server in peers:
            idle[server.name] = server.process.pss_bytes() / 2**20
            loaded[server.name] = under_load(place, server, calls)
        after = {server.name: server.process.pss_bytes() / 2**20 for server in peers}

    def beside(peer: str, what: str, values: dict[str, float], budget: float | None) -> Line:
        return compare(
            "memory", what, "MiB", [values["mobyfs"]], peer, [values[peer]], at_most(budget) if budget else None)

    # A round of housekeeping is now and then in one of them.
    last = {name: statistics.median(steps[STEPS // 2 :]) for name, steps in loaded.items()}
    if "rclone" in idle:
        lines.append(beside("rclone", "idle", idle, 0.3))
        lines.append(beside("rclone", f"after {calls:,} calls", after, 0.3))
    lines.append(beside("go", "idle", idle, None))
    lines.append(beside("go", f"under load, the last half of {calls:,} calls", last, 1.1))
    lines.append(
        compare(
            "memory", f"flat: under load, the last half of {calls:,} calls", "MiB", [last["mobyfs"]],
            "the first fifth", [loaded["mobyfs"][1]], at_most(1.05)))
    return lines


def under_load(place: Workplace, server: Server, calls: int) -> list[float]:
    """Mebibytes, in the middle of each tenth of the calls."""
    name = volume(VOLUMES // 2)
    request = Request.of("Get", f'"Name":"{name}"', Name=name)
    seen = []
    for _ in range(STEPS):
        load = start_load(
            place, server.address, request, connections=CONNECTIONS, cycles=calls // STEPS, processors=cpu_sets()[1])
        time.sleep(0.2)
        seen.append(server.process.pss_bytes() / 2**20)
        end_load(load)
    return seen
