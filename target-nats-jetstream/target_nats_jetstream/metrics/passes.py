"""What the STATEs of a run tell of the tap's passes. Pure.

Any tap says up to when it is complete. Ours adds by which clock, how far its watermark is behind
and why, and how many rows came late; of another tap, that is not known.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from target_nats_jetstream import completed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_nats_jetstream.bookmarks import State

#: Years before it are our tap's way to say that nothing is complete.
_FIRST_YEAR = 1000


class Clocks(msgspec.Struct):
    """What a pass of our tap went by: ``utc`` is ``clock``, which is the column's, in UTC."""

    clock: str
    watermark: str
    utc: str | None = None
    held_by: str = ""
    window: int | None = None

    @property
    def lag(self) -> float | None:
        """Seconds from the watermark to the database's clock."""
        return _seconds(self.clock, self.watermark)

    @property
    def behind_utc(self) -> float | None:
        """By how many seconds the column's clock is behind UTC."""
        return None if self.utc is None else _seconds(self.utc, self.clock)


class Late(msgspec.Struct):
    """Rows that came late since the bookmark began; the seconds are of the newest that did."""

    rows: int
    seconds: int
    margin: int


class Bookmark(msgspec.Struct):
    """What is read of a bookmark; ``clocks`` is of the newest pass, where it is not the last
    one that came to its end.
    """

    replication_key_value: str
    clocks: Clocks | None = None
    last_pass: Clocks | None = None
    came_late: Late | None = None

    @property
    def newest(self) -> Clocks | None:
        """What the newest pass went by."""
        return self.clocks or self.last_pass

    @property
    def complete(self) -> float | None:
        """Up to when all is complete (seconds since 1970); None where that, or its zone, is not
        known.
        """
        behind = self.newest.behind_utc if self.newest is not None else None
        return _since_1970(self.replication_key_value, behind)


@dataclass(frozen=True, slots=True)
class Passes:
    """The figures; each is None as long as nothing is known. Times are seconds since 1970."""

    complete: float | None = None
    lag: float | None = None
    held_by: str = ""
    window: int | None = None
    late_rows: int | None = None
    late_seconds: int | None = None
    late_margin: int | None = None


Part: TypeAlias = tuple[str, str]
"""A stream, and the place of a bookmark within its own."""


class PassesSoFar:
    """The figures of a run, STATE by STATE."""

    def __init__(self) -> None:
        self.passes = Passes()
        self._clocks: dict[str, str] | None = None
        self._rows: dict[Part, int] = {}
        self._released: dict[Part, Bookmark] = {}

    def note(self, state: State) -> None:
        """Take in the next STATE that the tap has sent. The first one is where the tap starts: its
        passes, and what came late before it, were another run's.
        """
        found = _read(state)
        newest = _newest(found)
        if self._clocks is None:
            self._clocks = {stream: one.clock for stream, one in newest.items()}
            self._rows = _late_rows(found)
        before = self._clocks
        ours = [one for stream, one in newest.items() if one.clock != before.get(stream)]
        if newest:
            self.passes = self._with_late(found)
        if ours:
            worst = max(ours, key=lambda one: one.lag or 0)
            self.passes = replace(
                self.passes, lag=worst.lag, held_by=worst.held_by, window=worst.window
            )

    def release(self, state: State) -> None:
        """Take in a STATE that has left: only now is complete what it says to be. It says nothing
        of streams that it does not name.
        """
        found = _read(state)
        streams = {stream for stream, _ in found}
        others = {part: one for part, one in self._released.items() if part[0] not in streams}
        self._released = others | found
        self.passes = replace(self.passes, complete=_complete(self._released.values()))

    def _with_late(self, found: Mapping[Part, Bookmark]) -> Passes:
        passes, before = self.passes, self._rows
        self._rows = before | _late_rows(found)
        new = [
            late
            for part, one in found.items()
            if (late := one.came_late) is not None and late.rows > before.get(part, 0)
        ]
        seconds = [late.seconds for late in new] + _known(passes.late_seconds)
        margins = [late.margin for late in new] + _known(passes.late_margin)
        return replace(
            passes,
            late_rows=(passes.late_rows or 0) + sum(self._rows.values()) - sum(before.values()),
            late_seconds=max(seconds, default=None),
            late_margin=min(margins, default=None),
        )


def _late_rows(found: Mapping[Part, Bookmark]) -> dict[Part, int]:
    return {part: one.came_late.rows for part, one in found.items() if one.came_late is not None}


def _known(value: int | None) -> list[int]:
    return [] if value is None else [value]


def _read(state: State) -> dict[Part, Bookmark]:
    """The bookmarks that say a time; what another tap writes in another form is left out."""
    found = {}
    for stream, place, written in completed.parts(state):
        with suppress(msgspec.ValidationError):
            found[stream, place] = msgspec.convert(written, Bookmark)
    return found


def _newest(found: Mapping[Part, Bookmark]) -> dict[str, Clocks]:
    """Of the newest pass of each stream, among all its parts; none of another tap's."""
    newest: dict[str, Clocks] = {}
    for (stream, _), bookmark in found.items():
        one, other = bookmark.newest, newest.get(stream)
        if one is not None and (other is None or one.clock > other.clock):
            newest[stream] = one
    return newest


def _complete(found: Iterable[Bookmark]) -> float | None:
    """Of the slowest part that has times at all; None where it is not known of one of these."""
    timed = [one for one in found if completed.wall_clock(one.replication_key_value) is not None]
    known = [time for one in timed if (time := one.complete) is not None]
    return min(known) if known and len(known) == len(timed) else None


def _seconds(later: str, earlier: str) -> float | None:
    to, since = completed.wall_clock(later), completed.wall_clock(earlier)
    return None if to is None or since is None else (to - since).total_seconds()


def _since_1970(text: str, behind_utc: float | None) -> float | None:
    wall_clock = completed.wall_clock(text)
    if wall_clock is None or wall_clock.year < _FIRST_YEAR:
        return None
    if (at := datetime.fromisoformat(text)).tzinfo is not None:
        return at.timestamp()
    if behind_utc is None:
        return None
    return (
        wall_clock.replace(tzinfo=UTC).timestamp() + timedelta(seconds=behind_utc).total_seconds()
    )
