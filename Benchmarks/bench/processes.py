# SPDX-License-Identifier: Apache-2.0
"""Programs that are measured: how they are started and ended, and what the kernel says of them."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable


def clean_environment() -> dict[str, str]:
    """The environment without what servers would take for their configuration."""
    return {
        key: value
        for key, value in os.environ.items()
        if not re.match(r"MOBYFS_|BENCH_|RCLONE_|LISTEN_|NOTIFY_SOCKET|GOMAXPROCS|GOGC", key)
    }


def cpu_sets() -> tuple[set[int], set[int]]:
    """The processors for a server and for its load: one each, so that neither takes the other's time."""
    allowed = sorted(os.sched_getaffinity(0))
    return ({allowed[0]}, {allowed[1]}) if len(allowed) > 1 else (set(allowed), set(allowed))


class Process:
    """A program that runs until it is stopped; what it says is kept in a file."""

    def __init__(
        self, command: list[str], log: Path, environment: dict[str, str] | None = None,
        processors: set[int] | None = None,
    ) -> None:
        """Starts it, on some processors only if they are given: a program may look how many it has as it starts."""
        self.log = log
        if processors:
            command = ["taskset", "-c", ",".join(map(str, sorted(processors)))] + command
        with log.open("wb") as file:
            self.popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                env={**clean_environment(), **(environment or {})},
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def cpu_seconds(self) -> float:
        """Time on processors so far, user and system, of all threads that there were.

        What /proc/PID/stat says in steps of 10 ms, the process's clock does in nanoseconds; clock_getcpuclockid(3) makes
        its number like this.
        """
        return time.clock_gettime(~self.pid << 3 | 2)

    def pss_bytes(self) -> int:
        """Resident memory; of what is shared with others, its part."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024

    def wait_until(self, is_ready: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not is_ready():
            if self.popen.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(self.popen.args)} does not serve: {self.last_words()}")
            time.sleep(0.01)

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-500:].strip()

    def stop(self) -> None:
        """Ends the program, by force if it takes too long."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(30)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
