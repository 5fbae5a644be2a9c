"""Points in time as text of one fixed form, so that text order is time order.

An ``Instant`` is ``YYYY-MM-DDTHH:MM:SS.nnnnnnnnn``: always 29 characters, always nine digits
(Oracle's ``FF9``), no zone. It is read in the clock of the replication key column: UTC, or the wall
clock of the zone that the settings name for it. Python's ``datetime`` stops at microseconds and
would merge rows that Oracle tells apart, hence the text; wherever digits are lost they are cut,
never rounded up, because a bookmark that is rounded up loses rows for good.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, NewType

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

Instant = NewType("Instant", str)

BEGINNING: Final = Instant("0001-01-01T00:00:00.000000000")
END: Final = Instant("9999-12-31T23:59:59.999999999")

_SECOND: Final = 1_000_000_000
_YEAR_1: Final = datetime(1, 1, 1)  # noqa: DTZ001 - of no zone, as an instant
_FIXED_FORM: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}", re.ASCII
)
_WRITTEN_FORM: Final = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ](?P<time>[0-9]{2}:[0-9]{2})(?P<second>:[0-9]{2}(?:[.,](?P<fraction>[0-9]+))?)?"
    r" ?(?P<offset>Z|[+-][0-9]{2}:?[0-9]{2})?)?",
    re.ASCII,
)


def instant(text: str) -> Instant:
    """Accept ``text`` when it has the fixed form and names a real time.

    Raises:
        ValueError: The text has another form; ``parse`` reads what people write.
    """
    if not _FIXED_FORM.fullmatch(text):
        msg = f"{text!r} is not of the form YYYY-MM-DDTHH:MM:SS.nnnnnnnnn"
        raise ValueError(msg)
    _whole_seconds(text)
    return Instant(text)


def parse(text: str, zone: ZoneInfo | None = None) -> Instant:
    """Read a time as people and bookmarks write it: a date, or more up to fraction and offset.

    A text without offset is already in the column's clock. One with an offset is converted to it:
    to UTC, or to the wall clock of ``zone`` (in an hour that the clock shows twice to a reading
    that is not too late, as ``earliest_local`` says). Digits behind the ninth are cut.

    Raises:
        ValueError: The text is not such a time.
    """
    match = _WRITTEN_FORM.fullmatch(text.strip())
    if match is None:
        msg = f"{text!r} is not a time such as 2026-01-31 or 2026-01-31T18:30:00.123456789+01:00"
        raise ValueError(msg)
    second = (match["second"] or ":00")[:3]
    fraction = (match["fraction"] or "")[:9].ljust(9, "0")
    at = instant(f"{match['date']}T{match['time'] or '00:00'}{second}.{fraction}")
    if match["offset"] is None:
        return at
    return earliest_local(_shift(at, -_offset_seconds(match["offset"])), zone)


def from_datetime(value: datetime) -> Instant:
    """The instant of a ``datetime``: an aware one in UTC, a naive one as it stands."""
    naive = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    return Instant(naive.isoformat(timespec="microseconds") + "000")


def to_datetime(at: Instant) -> datetime:
    """A naive ``datetime``, cut to microseconds."""
    return datetime.fromisoformat(at[:26])


def minus(at: Instant, seconds: float) -> Instant:
    """``seconds`` earlier, not before year 1; a part of a microsecond makes it earlier still."""
    return _text(nanoseconds(at) - math.ceil(_span(seconds) * 1_000_000) * 1_000)


def plus(at: Instant, seconds: float) -> Instant:
    """``seconds`` later, not after year 9999; a part of a microsecond is cut."""
    return _text(nanoseconds(at) + math.floor(_span(seconds) * 1_000_000) * 1_000)


def just_before(at: Instant) -> Instant:
    """The last instant before ``at``."""
    return from_nanoseconds(nanoseconds(at) - 1)


def just_after(at: Instant) -> Instant:
    """The first instant after ``at``."""
    return from_nanoseconds(nanoseconds(at) + 1)


def seconds_between(later: Instant, earlier: Instant) -> float:
    """How many seconds ``later`` is behind ``earlier``; negative when it is not."""
    return (nanoseconds(later) - nanoseconds(earlier)) / _SECOND


def nanoseconds(at: Instant) -> int:
    """Nanoseconds since ``BEGINNING``, for exact arithmetic."""
    since = _whole_seconds(at) - _YEAR_1
    return (since.days * 86_400 + since.seconds) * _SECOND + int(at[20:])


def from_nanoseconds(count: int) -> Instant:
    """The inverse of ``nanoseconds``; beyond the years 1 to 9999 it is their edge."""
    return _text(count)


def render(at: Instant, digits: int, suffix: str = "") -> str:
    """Text with ``digits`` (0 to 9) digits behind the second, the others cut, then ``suffix``."""
    return (at[:19] if digits == 0 else at[: 20 + digits]) + suffix


def render_offset(at: Instant, zone: ZoneInfo, digits: int = 9) -> str:
    """Text of a wall-clock reading of ``zone`` with its offset; of a repeated one, the first."""
    aware = _whole_seconds(at).replace(tzinfo=zone)
    return render(at, digits, aware.isoformat()[19:])


@cache
def offsets(zone: ZoneInfo) -> Callable[[str], str]:
    """From a minute that a wall clock of ``zone`` shows to its offset; cheap for rows in order."""

    @lru_cache(maxsize=4096)
    def offset(minute: str) -> str:
        return render_offset(Instant(f"{minute}:00.000000000"), zone, digits=0)[19:]

    return offset


def earliest_local(utc: Instant, zone: ZoneInfo | None) -> Instant:
    """A lower bound of what a wall clock in ``zone`` shows at ``utc`` or at any time after it.

    In the hour before clocks go back the reading is going to be repeated: a row stamped then must
    not fall behind a bound taken now. So the bound follows the smaller of the two offsets, an hour
    lower than the clock for as long as the hour is ambiguous, and equal to the clock at any other
    time.
    """
    if zone is None:
        return utc
    try:
        local = _whole_seconds(utc).replace(tzinfo=UTC).astimezone(zone)
    except OverflowError:  # the first and the last day that can be written have no local reading
        return utc
    offsets = (local.replace(fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    return _shift(utc, int(min(offsets).total_seconds()))


def _whole_seconds(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text[:19])
    except ValueError as cause:
        msg = f"{text!r} is not a real time: {cause}"
        raise ValueError(msg) from None


def _offset_seconds(offset: str) -> int:
    if offset == "Z":
        return 0
    hours, minutes = int(offset[1:3]), int(offset[-2:])
    if hours > 23 or minutes > 59:
        msg = f"{offset!r} is not an offset from UTC"
        raise ValueError(msg)
    seconds = hours * 3600 + minutes * 60
    return -seconds if offset[0] == "-" else seconds


def _span(seconds: float) -> float:
    if not seconds >= 0:
        msg = f"{seconds} seconds is not a valid span"
        raise ValueError(msg)
    return seconds


def _shift(at: Instant, seconds: int) -> Instant:
    return _text(nanoseconds(at) + seconds * _SECOND)


def _text(count: int) -> Instant:
    if count < 0:
        return BEGINNING
    seconds, fraction = divmod(count, _SECOND)
    try:
        whole = _YEAR_1 + timedelta(seconds=seconds)
    except OverflowError:
        return END
    return Instant(f"{whole.isoformat()}.{fraction:09d}")
