"""Replication values, as a message id has them: their order, and the hour that they belong to.

Pure.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

Order: TypeAlias = "tuple[bool, Decimal | str]"

_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::(\d\d)(\.\d+)?)?(?:Z|[+-]00:?00|([+-]\d\d:?\d\d))?\Z",
    re.ASCII,
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
#: With an exponent that a Decimal can have, however many digits stand before it.
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,9})?\Z", re.ASCII)
_HOUR: Final = len("2026-11-01T07")

_decode = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


def value_of(key: str) -> str | None:
    """The replication value in the key of an id, as it is written; None where the key is hashed.

    Args:
        key: Key and replication value as a JSON array, the value last.
    """
    if (
        key.startswith("[") and key.endswith('"]') and "\\" not in key
    ):  # as most are, in a third of the time
        return key[key.rfind('"', 0, -2) + 1 : -2]
    parts = _parts(key)
    return plain(parts[-1]) if parts else None


def key_of(key: str) -> str:
    """The key without the replication value, for people."""
    parts = _parts(key)
    return ",".join(map(plain, parts[:-1])) if parts else key


def _parts(key: str) -> list[msgspec.Raw]:
    try:
        return _decode(key)
    except (msgspec.DecodeError, RecursionError):  # hashed, or of somebody else
        return []


def plain(value: msgspec.Raw) -> str:
    """A value of a record as text: a text without its quotes, a number with all its digits."""
    found = bytes(value)
    return _decode_text(found) if found.startswith(b'"') else found.decode()


def normal(text: str) -> str:
    """A time in UTC with all its digits, as it is if it has no offset; any other text itself."""
    return readings(text)[0]


def readings(text: str) -> tuple[str, str]:
    """A time in UTC, and by its own clock.

    A bookmark may be by either and does not tell: what is before it by both is before it.
    """
    if (found := _TIME.match(text)) is None:
        return text, text
    day, minute, second, fraction, offset = found.groups()
    local = utc = f"{day}T{minute}:{second or '00'}"
    if offset:
        try:
            utc = datetime.fromisoformat(local + offset).astimezone(UTC).isoformat()[:19]
        except (ValueError, OverflowError):
            return text, text
    return utc + (fraction or ""), local + (fraction or "")


def order(value: str) -> Order:
    """What values of one stream are compared by."""
    is_number = _NUMBER.match(value) is not None
    return (not is_number, Decimal(value) if is_number else value)


def bucket(value: str | None) -> str:
    """The hour of a time, the day of a date; empty for what is neither."""
    if value is None:
        return ""
    if _TIME.match(value):
        return value[:_HOUR]
    return value if _DATE.match(value) else ""


def in_order(values: Sequence[str]) -> list[str]:
    """Keys as people look for them: numbers by their size."""
    return sorted(values, key=order)
