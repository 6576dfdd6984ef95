# SPDX-License-Identifier: Apache-2.0
"""Calls that are answered from memory, and Mount with Unmount, over a unix socket with connections that are kept."""

from calls import Calls, Connection, Request, measure
from results import Line, at_least, at_most, compare, missing
from servers import Server, Servers, volume
from workplace import Skipped, Workplace

VOLUMES = 1000
CONNECTIONS = (1, 8, 64)


def get(place: Workplace) -> list[Line]:
    name = volume(VOLUMES // 2)
    return answered_from_memory(place, "get", Request.of("Get", f'"Name":"{name}"', Name=name))


def path(place: Workplace) -> list[Line]:
    name = volume(VOLUMES // 2)
    return answered_from_memory(place, "path", Request.of("Path", name, Name=name))


def capabilities(place: Workplace) -> list[Line]:
    return answered_from_memory(place, "capabilities", Request.of("Capabilities", "local"))


def answered_from_memory(place: Workplace, row: str, request: Request) -> list[Line]:
    lines = []
    with Servers(place) as servers:
        mobyfs = servers.mobyfs(VOLUMES)
        peers = [mobyfs, servers.go(VOLUMES), servers.limit(answer_text(mobyfs, request))]
        try:
            peers.append(servers.rclone(VOLUMES))
        except Skipped as skipped:
            lines.append(missing(row, f"skipped: {skipped}", "calls per second beside rclone"))
        for connections in CONNECTIONS:
            seen = interleaved(place, peers, request, connections)
            lines += lines_of(row, connections, seen)
    return lines


def answer_text(server: Server, request: Request) -> str:
    """What a server answers, for another one to answer the same."""
    method, body = request.steps[0]
    with Connection(server) as connection:
        connection.http.request("POST", f"/{method}", body)
        return connection.http.getresponse().read().decode()


def interleaved(
    place: Workplace, servers: list[Server], request: Request, connections: int
) -> dict[str, list[Calls]]:
    """Measures one server after the other, and all of them again, for as many rounds as are asked for."""
    for server in servers:
        measure(place, server, request, connections=connections, seconds=0.1)
    seen: dict[str, list[Calls]] = {server.name: [] for server in servers}
    for _ in range(place.options.rounds):
        for server in servers:
            seen[server.name].append(
                measure(place, server, request, connections=connections, seconds=place.options.seconds))
    return seen


def lines_of(row: str, connections: int, seen: dict[str, list[Calls]]) -> list[Line]:
    ours = seen["mobyfs"]
    cpu, rate = [calls.cpu_us for calls in ours], [calls.per_second for calls in ours]

    def beside(peer: str, budget: float | None) -> Line:
        return compare(
            row, f"{connections} conn., calls", "1/s", rate, peer, [calls.per_second for calls in seen[peer]],
            at_least(budget) if budget else None)

    lines = [
        compare(
            row, f"{connections} conn., CPU per call", "µs", cpu, "go", [calls.cpu_us for calls in seen["go"]],
            at_most(0.9)),
        beside("go", 1.1),
    ]
    if "rclone" in seen:
        lines.append(beside("rclone", 1.3))
    lines.append(beside("limit", None))
    if connections == 8:
        lines.append(
            compare(
                row, "8 conn., p99", "µs", [calls.p99_us for calls in ours], "go",
                [calls.p99_us for calls in seen["go"]], at_most(0.8)))
    return lines


def mount(place: Workplace) -> list[Line]:
    """Mounts and unmounts volumes that another mount holds throughout: the storage has nothing to do."""
    lines = []
    with Servers(place) as servers:
        peers = [servers.mobyfs(VOLUMES), servers.go(VOLUMES)]
        for connections in (1, 8):
            seen = interleaved(place, peers, held_mount(), connections)
            ours, theirs = seen["mobyfs"], seen["go"]
            lines.append(
                compare(
                    "mount", f"{connections} conn., Mount + Unmount", "1/s", [calls.per_second / 2 for calls in ours],
                    "go", [calls.per_second / 2 for calls in theirs], at_least(1)))
            lines.append(
                compare(
                    "mount", f"{connections} conn., CPU per pair", "µs", [calls.cpu_us * 2 for calls in ours], "go",
                    [calls.cpu_us * 2 for calls in theirs]))
    return lines


def held_mount() -> Request:
    """Each connection has a volume of its own, and holds it meanwhile by another mount."""
    name = '{"Name":"v00000%c","ID":'
    held, mounted = name + '"held-%c"}', name + '"mounted-%c"}'
    return Request(
        [("VolumeDriver.Mount", mounted), ("VolumeDriver.Unmount", mounted)], '"Mountpoint":"/',
        before=("VolumeDriver.Mount", held), after=("VolumeDriver.Unmount", held))
