"""What counts: which rows are compared, and which differences say something. Pure.

- A row from the time on up to which the pipeline is complete may not be published yet.
- A message outside of what the input spans has no row to be compared with.
- A message that was stored after the comparison began, or is later than the STATE that came with
  the input, may be of a row that was not there when the source was read.
- A row from before what a trimmed stream begins with has expired.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from target_nats_jetstream.verify.comparison import Found, Kind
from target_nats_jetstream.verify.entries import latest
from target_nats_jetstream.verify.values import order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_nats_jetstream.verify.entries import Copy, Row
    from target_nats_jetstream.verify.values import Order

EDGE_MESSAGES: Final = 100
"""A trimmed stream begins within so many messages of a Singer stream: late rows may be the first.
"""


@dataclass(slots=True)
class _Span:
    """What the input has of one Singer stream, and where the stream begins."""

    lowest: Order | None = None
    highest: Order | None = None
    edge: Order | None = None
    edge_messages: int = 0

    def widen(self, at: Order) -> None:
        if self.lowest is None or at < self.lowest:
            self.lowest = at
        if self.highest is None or at > self.highest:
            self.highest = at

    def holds(self, at: Order) -> bool:
        if self.lowest is None or self.highest is None:
            return False
        return self.lowest <= at <= self.highest

    def begin(self, at: Order) -> None:
        if self.edge_messages < EDGE_MESSAGES:
            self.edge = max(at, self.edge or at)
            self.edge_messages += 1


@dataclass(slots=True)
class Scope:
    """Call ``has_row`` for each row first, then ``has_copy`` for each copy, then ``judged``.

    Args:
        through: Sequence of the last message before the comparison began.
        keeps_few: Whether the limits of the stream may have removed any message.
        ends: By Singer stream, as ids begin with it, the time before which it is complete.
        end: The same for all others.
        is_trimmed: Whether the limits of the stream have removed its first messages.
        reached: By Singer stream, up to when the input is complete, as its last STATE says.
    """

    through: int
    keeps_few: bool = False
    ends: dict[str, str] = field(default_factory=dict)
    end: str | None = None
    is_trimmed: bool = False
    reached: dict[str, str] = field(default_factory=dict)
    _spans: dict[str, _Span] = field(default_factory=dict)

    def end_of(self, stream: str) -> str | None:
        """The time before which a Singer stream is complete; None where nobody knows."""
        return self.ends.get(stream, self.end)

    def has_row(self, row: Row) -> bool:
        """Whether a row is to be compared."""
        end = self.end_of(row.stream)
        if row.value is None:
            return end is None
        if end is not None and order(max(row.value, row.local or "")) >= order(end):
            return False
        self._spans.setdefault(row.stream, _Span()).widen(order(row.value))
        return True

    def has_copy(self, copy: Copy) -> bool:
        """Whether a copy may be that of a row, or should have one."""
        if copy.value is None:
            return True
        at = order(copy.value)
        span = self._spans.setdefault(copy.stream, _Span())
        if self.is_trimmed:
            span.begin(at)
        return span.holds(at)

    def begins_with(self, stream: str, value: str) -> None:
        """Note a message of a Singer stream that is trimmed; the first ones count."""
        self._spans.setdefault(stream, _Span()).begin(order(value))

    def has_lost(self, stream: str, value: str) -> bool:
        """Whether the limits of the stream may have removed a row with this value."""
        if self.keeps_few:
            return True
        edge = self._spans[stream].edge if stream in self._spans else None
        return edge is not None and order(value) <= edge

    def judged(self, found: Iterable[Found]) -> Iterator[Found]:
        """What says something, of what a comparison has found."""
        for one in found:
            if one.kind is Kind.UNKNOWN and not self._should_have_a_row(one.copies[0]):
                continue
            if one.kind is Kind.MISSING and self._may_have_expired(one):
                yield one._replace(kind=Kind.EXPIRED)
            else:
                yield one

    def _should_have_a_row(self, copy: Copy) -> bool:
        if copy.value is None or copy.sequence > self.through:
            return False
        reached = self.reached.get(copy.stream)
        return reached is None or order(latest(copy)) <= order(reached)

    def _may_have_expired(self, found: Found) -> bool:
        row = found.row
        if row is None or row.value is None:
            return self.keeps_few
        return self.has_lost(row.stream, row.value)
