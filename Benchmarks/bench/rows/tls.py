# SPDX-License-Identifier: Apache-2.0
"""TCP with certificates on both sides: calls over connections that are kept, and handshakes."""

import subprocess

from calls import Request, measure
from processes import clean_environment
from results import Line, at_least, compare
from servers import Servers, volume
from workplace import Workplace

VOLUMES = 1000
CONNECTIONS = 64
HANDSHAKES_AT_ONCE = 8


def tls(place: Workplace) -> list[Line]:
    certificates = place.disk / "tls"
    subprocess.run(
        [place.mobyfs, "tls", "create", "--quiet", "--host", "localhost", "--dir", certificates],
        check=True, stdout=subprocess.DEVNULL, env=clean_environment())
    name = volume(VOLUMES // 2)
    # The first call of each connection has the handshake in it.
    kept = Request.of("Get", f'"Name":"{name}"', Name=name)
    kept.before = ("VolumeDriver.Capabilities", "{}")
    anew = Request.of("Get", f'"Name":"{name}"', Name=name)
    with Servers(place) as servers:
        peers = [servers.mobyfs_tls(VOLUMES, certificates), servers.go_tls(VOLUMES, certificates)]
        calls = {server.name: [] for server in peers}
        handshakes = {server.name: [] for server in peers}
        for _ in range(place.options.rounds):
            for server in peers:
                seconds = place.options.seconds
                calls[server.name].append(measure(place, server, kept, connections=CONNECTIONS, seconds=seconds))
            for server in peers:
                handshakes[server.name].append(
                    measure(
                        place, server, anew, connections=HANDSHAKES_AT_ONCE, seconds=seconds, reconnects=True))
    lines = []
    for what, seen in (f"{CONNECTIONS} conn., calls", calls), ("handshakes", handshakes):
        ours, theirs = seen["mobyfs"], seen["go"]
        lines.append(
            compare(
                "tls", what, "1/s", [each.per_second for each in ours], "go", [each.per_second for each in theirs],
                at_least(1)))
        lines.append(
            compare(
                "tls", f"{what}, CPU of each", "µs", [each.cpu_us for each in ours], "go",
                [each.cpu_us for each in theirs]))
    return lines
