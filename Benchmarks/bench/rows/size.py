# SPDX-License-Identifier: Apache-2.0
"""The program as it is installed."""

from results import Line, at_most, state
from workplace import Workplace


def size(place: Workplace) -> list[Line]:
    """Its size, and that it brings no Unicode tables, which are as large as all the rest."""
    binary = place.mobyfs.read_bytes()
    return [
        state("size", "release binary, stripped", "MiB", [len(binary) / 2**20], at_most(34)),
        state("size", "ICU data inside (times 'icudt')", "", [binary.count(b"icudt")], at_most(0)),
    ]
