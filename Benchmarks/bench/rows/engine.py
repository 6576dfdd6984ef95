# SPDX-License-Identifier: Apache-2.0
"""The whole engine."""
from results import Line
from workplace import Skipped, Workplace


def engine(place: Workplace) -> list[Line]:
    raise Skipped("not written yet")
