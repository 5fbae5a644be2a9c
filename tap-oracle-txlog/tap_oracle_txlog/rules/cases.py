"""Cases: the events that share a value, put together, and when that may be done.

The events of a case have ends in the order of the table: behind an event whose type ends a case,
and behind one that no other follows for the quiet time. At each end the case is put together from
all its events up to there; the first end makes revision 1, the next one revision 2. So what is made
of a case depends on its rows alone, not on when they are looked at: a backfill makes what a tap
made that has followed the table, and nothing has to be kept but how far it was.

An end is certain once every row up to it can be seen: one by type when the watermark has passed it,
one by quiet when the watermark has passed the quiet time behind it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tap_oracle_txlog.rules.timestamps import BEGINNING, minus, nanoseconds, plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_oracle_txlog.rules.position import Position
    from tap_oracle_txlog.rules.timestamps import Instant

CaseId: TypeAlias = "str | int"


class Event(NamedTuple):
    """A row; ``is_end`` when its type ends the case, which is None where it is of none."""

    position: Position
    case: CaseId | None
    is_end: bool


class End(NamedTuple):
    """The case ends behind the event at ``position``; that is certain of all before ``due``."""

    case: CaseId
    position: Position
    due: Instant


@dataclass
class OpenCases:
    """The cases whose newest event was not their end so far.

    Args:
        quiet: Seconds without an event after which a case has ended.
    """

    quiet: float
    _newest: dict[CaseId, Position] = field(default_factory=dict)  # in the order of the positions
    _first_due: Instant = BEGINNING  # no case is due before

    def take(self, events: Iterable[Event]) -> Iterator[End]:
        """The ends that are certain once these events, which come in the order of the table, are
        known.
        """
        for position, case, is_end in events:
            if position.at > self._first_due:
                yield from self.pass_time(position.at)
            if case is None:
                continue
            self._newest.pop(case, None)
            if is_end:
                yield End(case, position, position.at)
            else:
                self._newest[case] = position

    def pass_time(self, now: Instant) -> Iterator[End]:
        """The ends of cases that are quiet, if all events before ``now`` were taken."""
        edge = minus(now, self.quiet)
        while self._newest:
            case, newest = next(iter(self._newest.items()))
            if newest.at >= edge:
                self._first_due = plus(newest.at, self.quiet)
                return
            del self._newest[case]
            yield End(case, newest, plus(newest.at, self.quiet))


def revision(events: Sequence[Event], quiet: float) -> int:
    """Which revision of a case ends with the last of these events, which are all up to there."""
    least = quiet * 1_000_000_000
    times = [nanoseconds(event.position.at) for event in events]
    earlier = zip(events, pairwise(times), strict=False)  # all but the last one
    return 1 + sum(event.is_end or after - at > least for event, (at, after) in earlier)
