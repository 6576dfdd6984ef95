# SPDX-License-Identifier: Apache-2.0
"""List of many volumes, what it does to others meanwhile, and to memory."""

from calls import Request, end_load, measure, start_load
from results import Line, at_most, compare, state
from rows.calls import interleaved
from servers import Server, Servers, volume
from workplace import Workplace

VOLUMES = 10_000
LONGEST_HOLD_US = 1000


def listing(place: Workplace) -> list[Line]:
    request = list_request()
    with Servers(place) as servers:
        mobyfs = servers.mobyfs(VOLUMES)
        peers = [mobyfs, servers.go(VOLUMES)]
        seen = interleaved(place, peers, request, connections=1)
        changed = interleaved(place, peers, list_after_change(), connections=1)
        lines = [
            compare(
                "list", f"{VOLUMES:,} volumes, time", "ms", [calls.p50_us / 1000 for calls in seen["mobyfs"]], "go",
                [calls.p50_us / 1000 for calls in seen["go"]], at_most(0.4)),
            compare(
                "list", f"{VOLUMES:,} volumes, CPU", "ms", [calls.cpu_us / 1000 for calls in seen["mobyfs"]], "go",
                [calls.cpu_us / 1000 for calls in seen["go"]]),
            compare(
                "list", f"{VOLUMES:,} volumes, after a Mount or Unmount", "ms",
                [2000 / calls.per_second for calls in changed["mobyfs"]], "go",
                [2000 / calls.per_second for calls in changed["go"]], at_most(0.4)),
            memory(place, mobyfs),
        ]
    with Servers(place, is_pinned=False) as servers:
        return lines + beside(place, servers.mobyfs(VOLUMES))


def list_request() -> Request:
    return Request.of("List", volume(VOLUMES - 1))


def list_after_change() -> Request:
    """Nothing is the same as in the List before: one volume more or less is mounted."""
    held, mounted = (f'{{"Name":"{volume(0)}","ID":"{id}"}}' for id in ("held", "mounted"))
    steps = [("Mount", mounted), ("List", "{}"), ("Unmount", mounted), ("List", "{}")]
    return Request(
        [(f"VolumeDriver.{method}", body) for method, body in steps], '"Mountpoint":"/',
        before=("VolumeDriver.Mount", held), after=("VolumeDriver.Unmount", held))


def memory(place: Workplace, server: Server) -> Line:
    """Resident memory after many calls beside that after few; the rounds before were its warm-up."""
    few, many = (20, 100) if place.options.is_quick else (100, 1000)
    measure(place, server, list_request(), cycles=few)
    before = server.process.pss_bytes()
    measure(place, server, list_request(), cycles=many)
    after = server.process.pss_bytes()
    return compare(
        "list", f"memory after {many:,} more calls", "MiB", [after / 2**20], "before", [before / 2**20], at_most(1.05))


def beside(place: Workplace, server: Server) -> list[Line]:
    """How long a Get takes while another connection does nothing but List.

    It waits for the event loop that the List has. Eight connections are on all loops, and ask rarely, so that they do
    not wait for each other. The ninety-ninth of a hundred is taken: the longest wait of all is the scheduler's.
    """
    name = volume(VOLUMES // 2)
    get = Request.of("Get", f'"Name":"{name}"', Name=name)
    alone, together = [], []
    for _ in range(place.options.rounds):
        seconds = place.options.seconds
        alone.append(measure(place, server, get, is_pinned=False, connections=8, seconds=seconds, wait_us=5000))
        lists = start_load(place, server.address, list_request(), seconds=seconds + 0.2)
        together.append(measure(place, server, get, is_pinned=False, connections=8, seconds=seconds, wait_us=5000))
        end_load(lists)
    return [
        state("list", "a Get at rest, p99", "µs", [calls.p99_us for calls in alone]),
        state(
            "list", "a Get beside Lists, p99", "µs", [calls.p99_us for calls in together], at_most(LONGEST_HOLD_US)),
        state("list", "a Get beside Lists, longest", "µs", [calls.max_us for calls in together]),
    ]
