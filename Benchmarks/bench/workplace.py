# SPDX-License-Identifier: Apache-2.0
"""Where things are, and what was asked for."""

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


class Skipped(Exception):
    """A row that cannot be measured here, and why."""


@dataclass
class Options:
    """What the environment asks for; see README.md."""

    is_quick: bool = bool(os.environ.get("BENCH_QUICK"))
    is_bare: bool = bool(os.environ.get("BENCH_BARE"))
    seconds: float = 0
    rounds: int = 0
    rows: list[str] = field(default_factory=lambda: os.environ.get("BENCH_ROWS", "").replace(",", " ").split())

    def __post_init__(self) -> None:
        self.seconds = float(os.environ.get("BENCH_SECONDS") or (0.4 if self.is_quick else 1))
        self.rounds = int(os.environ.get("BENCH_ROUNDS") or (2 if self.is_quick else 5))


class Workplace:
    """The folders of one run: one on the disk, one in memory. Both are deleted at its end, but for logs and results."""

    def __init__(self) -> None:
        self.options = Options()
        self.build = TOP / ".build" / "bench"
        self.disk = self.build / "data"
        shutil.rmtree(self.disk, ignore_errors=True)
        self.disk.mkdir(parents=True)
        (self.build / "logs").mkdir(exist_ok=True)
        # Like /run where systemd runs: sockets, and who holds which volume.
        self.memory = Path(tempfile.mkdtemp(prefix="mobyfs-bench-", dir="/dev/shm"))
        self.mobyfs = self.tool("mobyfs")

    def __enter__(self) -> "Workplace":
        return self

    def __exit__(self, *error: object) -> None:
        for folder in self.disk, self.memory:
            shutil.rmtree(folder, ignore_errors=True)

    def tool(self, name: str) -> Path:
        """What Benchmarks/Makefile and `make bench` have built."""
        return self.build / "bin" / name

    def log(self, label: str) -> Path:
        return self.build / "logs" / f"{label}.txt"
