"""What ``--plan-slices`` has printed."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any, Protocol


class Done(Protocol):
    """A run of the command that has ended."""

    @property
    def code(self) -> int: ...
    @property
    def stdout(self) -> bytes: ...
    @property
    def stderr(self) -> str: ...


def planned(run: Done) -> dict[str, Any]:
    assert run.code == 0, run.stderr
    plan: dict[str, Any] = json.loads(run.stdout)
    return plan


def edges(plan: dict[str, Any]) -> list[str]:
    slices = plan["slices"]
    assert all(one["end_date"] == other["start_date"] for one, other in pairwise(slices))
    assert slices[-1]["end_date"] == plan["tail_start_date"]
    return [slices[0]["start_date"], *(one["end_date"] for one in slices)]
