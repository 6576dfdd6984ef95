# SPDX-License-Identifier: Apache-2.0
"""mobyfs and its peers: how each is run, with how many volumes."""

import os
import shutil
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Callable

from calls import create_volumes
from processes import Process, cpu_sets
from workplace import Skipped, Workplace


class Server:
    """A volume plugin that runs, and where it listens."""

    def __init__(self, name: str, process: Process, address: str, certificates: Path | None = None) -> None:
        self.name = name
        self.process = process
        self.address = address
        self.certificates = certificates


def volume(number: int) -> str:
    """The name of a volume that was made before a row began."""
    return f"v{number:06}"


class Servers:
    """Starts servers; whatever was started is stopped at the end of the `with`."""

    def __init__(self, place: Workplace, is_pinned: bool = True) -> None:
        """Makes none yet; pinned ones run on one processor, and leave another to the load."""
        self.place = place
        self.processors = cpu_sets()[0] if is_pinned else None
        self.stack = ExitStack()

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def mobyfs(self, volumes: int, pools: Path | None = None) -> Server:
        """The release build, run as its unit does, with a pool in a folder of pools."""
        runtime = fresh_folder(self.place.memory / f"mobyfs-{volumes}")
        command = mobyfs_command(self.place, pool(self.place, volumes, pools), runtime)
        return self._serve_unix("mobyfs", f"mobyfs-{volumes}", command, runtime / "mobyfs.sock")

    def mobyfs_tls(self, volumes: int, certificates: Path) -> Server:
        """The same over TCP, for clients that show a certificate."""
        runtime = fresh_folder(self.place.memory / "mobyfs-tls")
        port = free_port()
        command = mobyfs_command(self.place, pool(self.place, volumes), runtime)
        command += ["--listen", f"tcp://127.0.0.1:{port}", "--spec-dir", str(runtime / "spec")]
        for flag, file in ("cert", "server-cert"), ("key", "server-key"), ("ca", "ca"):
            command += [f"--tls-{flag}", str(certificates / f"{file}.pem")]
        return self._serve_tls("mobyfs", command, port, certificates)

    def go(self, volumes: int) -> Server:
        """The plugin in Go; it starts with nothing and is told of the volumes."""
        path = fresh_folder(self.place.memory / f"go-{volumes}") / "go.sock"
        command = go_command(self.place) + ["-unix", str(path)]
        server = self._serve_unix("go", f"go-{volumes}", command, path)
        create_volumes(self.place, server.address, volumes)
        return server

    def go_tls(self, volumes: int, certificates: Path) -> Server:
        port = free_port()
        command = go_command(self.place) + ["-tcp", f"127.0.0.1:{port}", "-tls", str(certificates)]
        server = self._serve_tls("go", command, port, certificates)
        create_volumes(self.place, server.address, volumes, certificates)
        return server

    def rclone(self, volumes: int) -> Server:
        """rclone, with remotes and a book of volumes that are in memory."""
        home = fresh_folder(self.place.memory / f"rclone-{volumes}")
        path = home / "rclone.sock"
        command = rclone_command(home) + ["--socket-addr", str(path)]
        server = self._serve_unix("rclone", f"rclone-{volumes}", command, path, {"HOME": str(home)})
        create_volumes(self.place, server.address, volumes, options={"type": "memory"})
        return server

    def limit(self, body: str) -> Server:
        """The limit of the machine, answering with `body`."""
        path = fresh_folder(self.place.memory / "limit") / "limit.sock"
        return self._serve_unix("limit", "limit", [str(self.place.tool("limit")), str(path), body], path)

    def _serve_unix(
        self, name: str, label: str, command: list[str], path: Path, environment: dict[str, str] | None = None
    ) -> Server:
        process = self._start(label, command, lambda: is_listening(socket.AF_UNIX, str(path)), environment)
        return Server(name, process, f"unix:{path}")

    def _serve_tls(self, name: str, command: list[str], port: int, certificates: Path) -> Server:
        process = self._start(f"{name}-tls", command, lambda: is_listening(socket.AF_INET, ("127.0.0.1", port)))
        return Server(name, process, f"tcp:127.0.0.1:{port}", certificates)

    def _start(
        self, label: str, command: list[str], is_ready: Callable[[], bool],
        environment: dict[str, str] | None = None,
    ) -> Process:
        process = Process(command, self.place.log(label), environment, self.processors)
        self.stack.callback(process.stop)
        process.wait_until(is_ready)
        return process


def fresh_folder(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(family: int, address: str | tuple[str, int]) -> bool:
    """Whether somebody takes connections there; the file of a unix socket is there a moment before."""
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


def pool(place: Workplace, volumes: int, pools: Path | None = None) -> Path:
    """A data directory with so many volumes, on the disk unless a folder is given.

    It is made by mobyfs itself, the first time it is asked for.
    """
    data = (pools or place.disk) / f"pool-{volumes}"
    if data.exists():
        return data
    data.mkdir(parents=True)
    runtime = fresh_folder(place.memory / "filling")
    process = Process(
        mobyfs_command(place, data, runtime) + ["--log-level", "warning"], place.log(f"filling-{volumes}"),
        {"LD_PRELOAD": str(place.tool("nosync.so"))})
    try:
        process.wait_until(lambda: is_listening(socket.AF_UNIX, f"{runtime}/mobyfs.sock"))
        create_volumes(place, f"unix:{runtime}/mobyfs.sock", volumes)
    finally:
        process.stop()
    os.sync()
    return data


def mobyfs_command(place: Workplace, data: Path, runtime: Path) -> list[str]:
    return [
        str(place.mobyfs), "start", "--config", "/dev/null", "--data-dir", str(data), "--runtime-dir", str(runtime),
    ]


def go_command(place: Workplace) -> list[str]:
    return [str(place.tool("plugin"))] + (["-bare"] if place.options.is_bare else [])


def rclone_command(home: Path) -> list[str]:
    if shutil.which("rclone") is None:
        raise Skipped("rclone is not installed")
    return ["rclone", "serve", "docker", "--base-dir", str(home / "base"), "--cache-dir", str(home / "cache")]
