# SPDX-License-Identifier: Apache-2.0
"""Figures beside each other, whether they keep the budget, and the table of all."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median


@dataclass
class Budget:
    """What a ratio, or without a peer the figure itself, has to be."""

    relation: str  # "<=" or ">="
    bound: float

    def is_kept(self, value: float) -> bool:
        return value <= self.bound if self.relation == "<=" else value >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.relation == '<=' else '≥'} {self.bound:g}"


def at_most(bound: float) -> Budget:
    return Budget("<=", bound)


def at_least(bound: float) -> Budget:
    return Budget(">=", bound)


@dataclass
class Line:
    """One line of the table."""

    row: str
    what: str
    unit: str = ""
    mobyfs: float | None = None
    peer: str = ""
    peer_value: float | None = None
    ratio: float | None = None
    budget: Budget | None = None
    is_met: bool | None = None  # None: there is no budget
    note: str = ""  # why there are no figures
    samples: dict[str, list[float]] = field(default_factory=dict)

    def cells(self) -> list[str]:
        if self.note:
            return [self.row, f"{self.what} {self.note}".strip(), "", "", "", "", "NO"]
        return [
            self.row, f"{self.what}, {self.unit}" if self.unit else self.what, figure(self.mobyfs),
            f"{self.peer} {figure(self.peer_value)}" if self.peer else "",
            f"{self.ratio:.2f}" if self.ratio is not None else "", str(self.budget or ""),
            {True: "yes", False: "NO", None: ""}[self.is_met],
        ]


def figure(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def compare(
    row: str, what: str, unit: str, ours: list[float], peer: str, theirs: list[float], budget: Budget | None = None
) -> Line:
    """Sets mobyfs beside a peer.

    The figures are medians over all rounds. The ratio is the median of the ratios of each round, whose two halves were
    measured next to each other; where the two differ, the machine was disturbed.
    """
    ratio = median(a / b for a, b in zip(ours, theirs))
    return Line(
        row, what, unit, median(ours), peer, median(theirs), ratio, budget,
        budget.is_kept(ratio) if budget else None, samples={"mobyfs": ours, peer: theirs})


def state(row: str, what: str, unit: str, ours: list[float], budget: Budget | None = None) -> Line:
    """A figure of mobyfs alone."""
    value = median(ours)
    return Line(
        row, what, unit, value, budget=budget, is_met=budget.is_kept(value) if budget else None,
        samples={"mobyfs": ours})


def missing(row: str, why: str, what: str = "") -> Line:
    """A line that could not be measured; its budget, whatever it is, is not kept."""
    return Line(row, what, is_met=False, note=why)


def table(lines: list[Line]) -> str:
    """All lines as a Markdown table."""
    rows = [["row", "what", "mobyfs", "peer", "ratio", "budget", "met"]] + [line.cells() for line in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(7)]
    texts = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    return "\n".join([texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|"] + texts[1:])


def write(path: Path, machine: dict[str, str], lines: list[Line]) -> None:
    result = {"machine": machine, "lines": [asdict(line) for line in lines]}
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
