"""The safe watermark: the time before which no row of the table can still be invisible.

A row that cannot be seen now belongs to a transaction that is open now, or begins later. So nothing
older than the oldest open transaction can still appear, less the differences between the clocks of
the nodes (``skew``), less the time by which rows are stamped before their transaction's first
change (``lookback``). That holds only if the watermark is read *before* the first page of a pass
and stays what it is for the whole pass. Who reads the database, and what is done with the answer,
is not known here.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from tap_oracle_txlog.errors import AccessDeniedError, ConfigurationError
from tap_oracle_txlog.timestamps import Instant, earliest_local, instant, minus, seconds_between

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.keyset import Position

Strategy = Literal["auto", "watermark", "lookback"]

_NEAR: Final = 0.2
"""A late row that used up all but this part of the window is worth a warning."""


@dataclass(frozen=True, slots=True)
class Oldest:
    """The oldest open transaction began at ``at`` (UTC); ``holder`` names it for people."""

    at: Instant
    holder: str = ""


@dataclass(frozen=True, slots=True)
class NoneOpen:
    """The source looked, and no transaction is open."""


@dataclass(frozen=True, slots=True)
class NotReadable:
    """The source cannot tell. It is not the same as ``NoneOpen``: taking it for that loses rows.

    ``right_missing`` is false where no grant would help, as with a source that has no such view.
    """

    why: str
    remedy: str
    right_missing: bool = True


OpenTransactions = Oldest | NoneOpen | NotReadable


@dataclass(frozen=True, slots=True)
class Watermark:
    """All rows before ``at`` that will ever be are visible, as far as ``strategy`` can promise.

    ``at`` and ``clock`` (when it was read) are in the column's clock. ``fallen_from`` says why the
    look-back has to serve for the open transactions, where ``auto`` would rather have had those.
    """

    at: Instant
    clock: Instant
    strategy: Literal["watermark", "lookback"]
    held_by: str
    fallen_from: NotReadable | None = None

    @property
    def lag(self) -> float:
        """Seconds from the watermark to the database's clock."""
        return seconds_between(self.clock, self.at)


def choose_watermark(  # noqa: PLR0913  # the two facts, then the four settings that weigh them
    clock: Instant,
    open_transactions: OpenTransactions,
    *,
    strategy: Strategy,
    lookback: float,
    skew: float,
    zone: ZoneInfo | None = None,
) -> Watermark:
    """The watermark of a pass that starts now.

    Args:
        clock: The database's time, UTC. Read it before ``open_transactions``, or a transaction that
            begins between the two is in neither.
        open_transactions: What the source knows of them. Read it before the first page.
        strategy: ``watermark`` insists on the open transactions, ``lookback`` does not look at
            them, ``auto`` uses them where they can be read.
        lookback: Seconds by which a row may be stamped before its transaction shows; with the
            strategy ``lookback``, the longest transaction that loses nothing.
        skew: Seconds by which the clocks of the nodes may differ.
        zone: The zone of the replication key column when its clock is not UTC.

    Raises:
        AccessDeniedError: ``watermark`` is asked for, and the right to see transactions is missing.
        ConfigurationError: ``watermark`` is asked for, and the source has no way to see them.
    """
    unreadable = open_transactions if isinstance(open_transactions, NotReadable) else None
    if unreadable and strategy == "watermark":
        raise _cannot_keep(unreadable)
    blind = strategy == "lookback" or unreadable is not None
    oldest, held_by = clock, "the database clock"
    if isinstance(open_transactions, Oldest) and not blind and open_transactions.at < clock:
        oldest, held_by = open_transactions.at, open_transactions.holder or "an open transaction"
    return Watermark(
        at=earliest_local(minus(minus(oldest, skew), lookback), zone),
        clock=earliest_local(clock, zone),
        strategy="lookback" if blind else "watermark",
        held_by=held_by,
        fallen_from=unreadable if strategy == "auto" else None,
    )


def _cannot_keep(unreadable: NotReadable) -> AccessDeniedError | ConfigurationError:
    reason = (
        f"cannot read the open transactions for late_commit_strategy=watermark: {unreadable.why}"
    )
    error = AccessDeniedError if unreadable.right_missing else ConfigurationError
    return error(reason, unreadable.remedy)


@dataclass(frozen=True, slots=True)
class LastPass:
    """What the newest finished pass went by: its clock and its watermark, in the column's clock.

    Raises:
        ValueError: One of them is not an instant; they come back from the state.
    """

    clock: Instant
    watermark: Instant

    def __post_init__(self) -> None:
        """See above."""
        instant(self.clock)
        instant(self.watermark)


@dataclass(slots=True)
class LateRows:
    """Counts the rows that the last finished pass could not see although their time was before it.

    They are the reason for the watermark, and tell whether its window is wide enough: a row that
    came within a fifth of the window of being passed over says that the next one may be.
    """

    last_pass: LastPass | None
    rows: int = 0
    most_seconds: float = 0.0
    """By how much at most a row was late, counted to the clock of the pass that missed it."""
    margin_seconds: float = math.inf
    """How far ahead of that pass's watermark the latest of them was."""

    def count(self, positions: Sequence[Position], new: Sequence[bool]) -> None:
        """Take in one page, in source order, and which of its rows are new."""
        if self.last_pass is None:
            return
        before = bisect_left(positions, self.last_pass.clock, key=_at)
        late = [
            position.at for position, is_new in zip(positions[:before], new, strict=False) if is_new
        ]
        if late:
            self.rows += len(late)
            seconds = seconds_between(self.last_pass.clock, late[0])
            self.most_seconds = max(self.most_seconds, seconds)
            margin = seconds_between(late[0], self.last_pass.watermark)
            self.margin_seconds = min(self.margin_seconds, margin)

    def nearly_missed(self, window: float) -> bool:
        """Whether a row came late by nearly all of ``window`` (look-back plus skew, seconds)."""
        return self.margin_seconds < _NEAR * window


def _at(position: Position) -> Instant:
    return position.at
