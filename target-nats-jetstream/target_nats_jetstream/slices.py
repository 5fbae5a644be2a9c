"""Slices of a backfill: pipelines whose names end in ``#`` and a number, as ``M_AGENT#0003``."""

from __future__ import annotations

import re
from typing import Final

#: What ``{slice}`` in a subject means, and its token for every other pipeline.
SLICE: Final = "slice"
TAIL: Final = "tail"

_NUMBERED: Final = re.compile(r"(.*)#(\d{1,9})", re.DOTALL | re.ASCII)


def number_of(program: str) -> str | None:
    """The number of the slice as its name writes it, ``0003``; None for what is no slice."""
    match = _NUMBERED.fullmatch(program)
    return match and match[2]
