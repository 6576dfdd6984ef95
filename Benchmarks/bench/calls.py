# SPDX-License-Identifier: Apache-2.0
"""Calls to a server by the load generator, and single ones from here."""

import http.client
import json
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from processes import cpu_sets

if TYPE_CHECKING:
    from servers import Server
    from workplace import Workplace


@dataclass
class Calls:
    """What the load generator saw of a server, and what the server spent on it."""

    calls: int
    seconds: float
    p50_us: float
    p99_us: float
    max_us: float
    cpu_seconds: float = 0

    @property
    def per_second(self) -> float:
        return self.calls / self.seconds

    @property
    def cpu_us(self) -> float:
        """Time of the server on processors for each call, user and system."""
        return self.cpu_seconds / self.calls * 1e6


@dataclass
class Request:
    """Calls that are made in turn, and what goes with them; see the usage of load.c."""

    steps: list[tuple[str, str]]
    expected: str | None = None
    before: tuple[str, str] | None = None
    after: tuple[str, str] | None = None

    @staticmethod
    def of(method: str, expected: str | None = None, **body: object) -> "Request":
        """One call of `VolumeDriver`, with what its answer has to contain."""
        return Request([(f"VolumeDriver.{method}", json.dumps(body))], expected)


def start_load(
    place: "Workplace", address: str, request: Request, connections: int = 1, seconds: float | None = None,
    cycles: int | None = None, certificates: Path | None = None, reconnects: bool = False, wait_us: int = 0,
    processors: set[int] | None = None,
) -> subprocess.Popen:
    command = [str(place.tool("load")), "-c", str(connections)]
    if processors:
        command = ["taskset", "-c", ",".join(map(str, sorted(processors)))] + command
    if cycles is not None:
        command += ["-n", str(cycles)]
    if seconds is not None:
        command += ["-s", str(seconds)]
    if request.before is not None:
        command += ["-b", "=".join(request.before)]
    if request.after is not None:
        command += ["-e", "=".join(request.after)]
    if request.expected is not None:
        command += ["-x", request.expected]
    if certificates is not None:
        command += ["-t", str(certificates)]
    if reconnects:
        command.append("-r")
    if wait_us > 0:
        command += ["-w", str(wait_us)]
    command.append(address)
    for step in request.steps:
        command += step
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end_load(load: subprocess.Popen) -> Calls:
    """Waits for the end. A wrong answer, or none, is an error."""
    output, errors = load.communicate()
    if load.returncode != 0:
        raise RuntimeError(f"{errors.strip()} ({load.args[-3]})")
    return Calls(**json.loads(output))


def measure(place: "Workplace", server: "Server", request: Request, is_pinned: bool = True, **options) -> Calls:
    """Puts load on a server, and reads how much it worked for it."""
    before = server.process.cpu_seconds()
    load = start_load(
        place, server.address, request, certificates=server.certificates,
        processors=cpu_sets()[1] if is_pinned else None, **options)
    calls = end_load(load)
    calls.cpu_seconds = server.process.cpu_seconds() - before
    return calls


def create_volumes(
    place: "Workplace", address: str, count: int, certificates: Path | None = None,
    options: dict[str, str] | None = None,
) -> None:
    """Has a server create `v000000` and so on."""
    if count == 0:
        return
    request = Request.of("Create", Name="v%i", Opts=options or {})
    end_load(start_load(place, address, request, connections=16, cycles=count, certificates=certificates))


class Connection:
    """A kept connection for single calls over a unix socket; an engine that holds volumes keeps it open."""

    def __init__(self, server: "Server") -> None:
        self.http = http.client.HTTPConnection("plugin.moby.localhost", timeout=120)
        self.http.sock = socket.socket(socket.AF_UNIX)
        self.http.sock.connect(server.address.removeprefix("unix:"))

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()

    def call(self, method: str, **body: object) -> dict:
        self.http.request("POST", f"/VolumeDriver.{method}", json.dumps(body))
        response = self.http.getresponse()
        answer = json.loads(response.read())
        if response.status != 200 or answer.get("Err"):
            raise RuntimeError(f"{method}: {response.status} {answer.get('Err')}")
        return answer
