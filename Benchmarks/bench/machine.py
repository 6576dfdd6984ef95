# SPDX-License-Identifier: Apache-2.0
"""What machine this is, and which versions were measured."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from workplace import Workplace


def facts(place: Workplace) -> dict[str, str]:
    return {
        "processors": f"{len(os.sched_getaffinity(0))} × {processor()}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "file system": output("stat", "-f", "-c", "%T", str(place.disk)),
        "load before": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "mobyfs": output(str(place.mobyfs), "--version"),
        "swift": found(r"Swift version (\S+)", output("swift", "--version")),
        "go": found(r"go(\d\S*)", output("go", "version")),
        "rclone": found(r"rclone v(\S+)", output("rclone", "version")),
        "rounds": f"{place.options.rounds}, of {place.options.seconds:g} s",
    }


def processor() -> str:
    return found(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())


def output(*command: str) -> str:
    """What a program says, or that there is none."""
    if shutil.which(command[0]) is None:
        return "not installed"
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else text
