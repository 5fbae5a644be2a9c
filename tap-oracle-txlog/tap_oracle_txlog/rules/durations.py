"""Lengths of time, as people write and read them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_SHORT: Final = re.compile(r"([1-9][0-9]{0,8})([smhdw])", re.ASCII)
_ISO: Final = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,9})W)?(?:([0-9]{1,9})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})S)?)?",
    re.ASCII,
)
_UNITS: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}


def format_duration(seconds: float) -> str:
    """A length of time for people."""
    return f"{seconds:.1f} s" if seconds < 3600 else str(timedelta(seconds=round(seconds)))


def parse_duration(text: str) -> int:
    """Read a length of time such as ``90s``, ``30m``, ``1h``, ``1d``, ``1w``, ``PT1H`` (ISO 8601).

    Raises:
        ValueError: The text is another one, or the length is zero; months and years have no length.
    """
    short, iso = _SHORT.fullmatch(text), _ISO.fullmatch(text)
    seconds = 0
    if short:
        seconds = int(short[1]) * _UNITS[short[2]]
    elif iso:
        seconds = sum(
            int(n or 0) * unit for n, unit in zip(iso.groups(), _UNITS.values(), strict=True)
        )
    if seconds == 0:
        msg = f"{text!r} is not a duration such as 30m, 1h, 1d or PT1H"
        raise ValueError(msg)
    return seconds
