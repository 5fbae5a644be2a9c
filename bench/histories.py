"""The tap's rules against random histories of a table: how many are lost or repeated, by kind.

The histories are those of the model test (``tests/tap/rules``), which plays a few thousand of them;
this plays as many as wanted, and prints the smallest form of the first one that fails.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tools.model.history import Tap, make, play, report
from tools.model.taps import TapInSlices, TapWithASmallState

if TYPE_CHECKING:
    from tools.model.history import History

TAPS: Final[dict[str, type[Tap]]] = {
    "whole table": Tap,
    "small state": TapWithASmallState,
    "in slices": TapInSlices,
}


def run(first: int, count: int) -> int:
    """Play and print; the exit code is 1 when a promise was broken."""
    counts: dict[str, Counter[str]] = {}
    failed: tuple[History, type[Tap]] | None = None
    for history in map(make, range(first, first + count)):
        for name, tap in TAPS.items():
            if tap is TapInSlices and history.comes_into_closed_slices:
                continue
            ended = _outcome(play(history, tap))
            counts.setdefault(f"{name}, {_kind(history)}", Counter()).update(["played", ended])
            if ended != "kept" and failed is None:
                failed = history, tap
    print(_table(counts))
    if failed:
        print(f"\n{report(*failed)}")
    return 1 if failed else 0


def _kind(history: History) -> str:
    """What is wrong with clocks in it."""
    if history.is_in_order:
        return "unset zone in the west, rows in order"
    if history.shift:
        return f"unset zone in the {'east' if history.shift > 0 else 'west, within look-back'}"
    if history.lag:
        return "standby"
    kinds = {step.kind for step in history.steps}
    if history.zone:
        return "local time, clocks go back"
    return "failover to a clock that is behind" if "failover" in kinds else "plain"


def _outcome(failure: str | None) -> str:
    if failure is None:
        return "kept"
    return next((one for one in ("lost", "twice") if one in failure), "other")


def _table(counts: dict[str, Counter[str]]) -> str:
    head = f"{'histories':55} {'played':>7} {'lost':>5} {'twice':>6} {'other':>6}"
    lines = [head, "-" * len(head)]
    for name, found in sorted(counts.items()):
        lost, twice, other = found["lost"], found["twice"], found["other"]
        lines.append(f"{name:55} {found['played']:7,} {lost:5,} {twice:6,} {other:6,}")
    return "\n".join(lines)
