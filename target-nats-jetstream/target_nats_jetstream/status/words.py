"""Numbers, times and lengths of time as people write them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from target_nats_jetstream.errors import ConfigurationError


def counted(number: int, noun: str) -> str:
    """``1 dead letter``, ``1,204 dead letters``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def short(number: int) -> str:
    """``999,999``, and ``2.8e9`` where that is shorter to read."""
    if number < 1_000_000:
        return f"{number:,}"
    digits, _, power = f"{number:.1e}".partition("e+")
    return f"{digits}e{int(power)}"


def format_time(at: datetime | None) -> str:
    """A time to the second, without its zone; ``-`` where there is none."""
    return "-" if at is None else at.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")


def format_length(length: timedelta | None) -> str:
    """A length of time for people: ``45 s``, ``12 min``, ``3 h``, ``2 d``; ``-`` for none."""
    if length is None:
        return "-"
    seconds = length.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def parse_length(text: str) -> timedelta:
    """A length of time like ``90s``, ``30m``, ``2h``, ``1d``.

    Raises:
        ConfigurationError: It is none.
    """
    found = re.fullmatch(r"(\d{1,9})([smhd])", text, re.ASCII)
    if found is None:
        reason = f"--max-age {text!r} is not a duration"
        raise ConfigurationError(reason, "Write it like 90s, 30m, 2h or 1d")
    names = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    return timedelta(**{names[found[2]]: int(found[1])})
