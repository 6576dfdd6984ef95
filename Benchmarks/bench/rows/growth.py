# SPDX-License-Identifier: Apache-2.0
"""Whether calls cost the same however many volumes there are."""

import shutil

from calls import Calls, Request, measure
from results import Line, at_most, compare
from rows.calls import held_mount
from rows.storage import created_and_removed
from servers import Server, Servers, volume
from workplace import Workplace

FEW, SOME, MANY = 10, 1000, 100_000
CONNECTIONS = 8


def growth(place: Workplace) -> list[Line]:
    many = MANY // 10 if place.options.is_quick else MANY
    costs: dict[str, dict[int, list[float]]] = {
        call: {volumes: [] for volumes in (FEW, SOME, many)} for call in ("get", "mount", "create", "list")
    }
    # In memory: the disk, which has its own idea of many files, is not what is looked at, nor is deleting them.
    pools = place.memory / "pools"
    with Servers(place) as servers:
        all_servers = {volumes: servers.mobyfs(volumes, pools) for volumes in (FEW, SOME, many)}
        for _ in range(place.options.rounds):
            for volumes, server in all_servers.items():
                for call, cost in costs_of(place, server, volumes).items():
                    costs[call][volumes].append(cost)
    shutil.rmtree(pools)

    lines = []
    for call, unit, what in (
        ("get", "µs", "Get, CPU"), ("mount", "µs", "Mount + Unmount, CPU"), ("create", "ms", "Create + Remove, time"),
        ("list", "µs", "List, CPU per volume"),
    ):
        # Of a handful of volumes, List is the cost of a call; a straight line begins later.
        base = SOME if call == "list" else FEW
        for volumes in (SOME, many):
            if volumes != base:
                lines.append(
                    compare(
                        "growth", f"{what}, {volumes:,} volumes", unit, costs[call][volumes], f"{base:,} volumes",
                        costs[call][base], at_most(1.2)))
    return lines


def costs_of(place: Workplace, server: Server, volumes: int) -> dict[str, float]:
    """What each call costs a server; see the units above."""
    name = volume(volumes // 2)
    get = Request.of("Get", f'"Name":"{name}"', Name=name)
    seconds = place.options.seconds / 2
    listing = Request.of("List", volume(volumes - 1))
    # What is kept from one List to the next is there by then.
    measure(place, server, listing, cycles=1)
    listed = measure(place, server, listing, seconds=seconds)
    return {
        "get": measure(place, server, get, connections=CONNECTIONS, seconds=seconds).cpu_us,
        "mount": measure(place, server, held_mount(), connections=CONNECTIONS, seconds=seconds).cpu_us * 2,
        "create": 1000 / created_and_removed(place, server, 50, 1),
        "list": listed.cpu_us / volumes,
    }
