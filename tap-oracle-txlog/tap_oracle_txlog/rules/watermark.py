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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import msgspec

from tap_oracle_txlog.errors import AccessDeniedError, ConfigurationError
from tap_oracle_txlog.rules.timestamps import (
    Instant,
    earliest_local,
    instant,
    minus,
    plus,
    seconds_between,
)

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

MEASURED_WITHIN_SECONDS: Final = 1.0
"""Another clock tells only where the database's took no longer to read than this."""
JITTER_SECONDS: Final = 2
"""What measuring so, in whole seconds, can differ by although no clock has changed."""

CLOCKS_APART_SECONDS: Final = 30.0
"""So much a clock is set right by now and then, or one of another host is."""

Strategy = Literal["auto", "watermark", "lookback"]


@dataclass(frozen=True, slots=True)
class Oldest:
    """The oldest open transaction began at ``at`` (UTC); ``holder`` names it for people.

    Args:
        identity: Names the transaction itself (its XID), not the session: the same text at another
            time means the same transaction. Empty where the source cannot say.
        host_offset: Seconds by which the clock that ``at`` was reckoned from is ahead of UTC now;
            None where that clock is in UTC or the source cannot say.
    """

    at: Instant
    holder: str = ""
    identity: str = ""
    host_offset: int | None = None


@dataclass(frozen=True, slots=True)
class NoneOpen:
    """The source looked, and no transaction is open; ``host_offset`` as with ``Oldest``."""

    host_offset: int | None = None


@dataclass(frozen=True, slots=True)
class NotReadable:
    """The source cannot tell. It is not the same as ``NoneOpen``: taking it for that loses rows.

    ``right_missing`` is false where no grant would help, as with a source that has no such view.
    """

    why: str
    remedy: str
    right_missing: bool = True


OpenTransactions = Oldest | NoneOpen | NotReadable


class LastPass(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the newest finished pass went by; it tells what the clocks have done since.

    ``clock`` and ``watermark`` are in the column's clock, the others in UTC. ``ahead`` is by how
    many seconds the database's clock was ahead of another one (whole ones: targets of the SDK
    cannot pass on a state that has fractions). ``oldest`` is when the transaction ``holder`` began.
    ``offset`` is the host's offset from UTC; where it was another one before, ``earlier_offset`` is
    the greatest of those, and ``offset_since`` the time when the last change was seen. What held
    the watermark (``clock`` or ``transaction``) and the look-back with the skew (``window``,
    seconds) are not read by the tap: they are for a target's metrics.

    Raises:
        ValueError: A time is not an instant; they come back from the state.
    """

    clock: Instant
    watermark: Instant
    utc: Instant | None = None
    ahead: int | None = None
    holder: str = ""
    oldest: Instant | None = None
    offset: int | None = None
    earlier_offset: int | None = None
    offset_since: Instant | None = None
    held_by: Literal["", "clock", "transaction"] = ""
    window: int | None = None

    def __post_init__(self) -> None:
        """See above."""
        for at in (self.clock, self.watermark, self.utc, self.oldest, self.offset_since):
            if at is not None:
                instant(at)


@dataclass(frozen=True, slots=True)
class Watermark:
    """All rows before ``at`` that will ever be are visible, as far as ``strategy`` can promise.

    ``at`` and ``clock`` (when it was read) are in the column's clock. ``fallen_from`` says why the
    look-back has to serve for the open transactions, where ``auto`` would rather have had those.
    ``went_back`` is by how many seconds the database's clock is behind that of the pass before.
    """

    at: Instant
    clock: Instant
    strategy: Literal["watermark", "lookback"]
    held_by: str
    fallen_from: NotReadable | None = None
    went_back: float = 0.0
    clocks: LastPass | None = None

    @property
    def lag(self) -> float:
        """Seconds from the watermark to the database's clock."""
        return seconds_between(self.clock, self.at)

    @property
    def went_far_back(self) -> bool:
        """Whether the clock went back by more than clocks are set right by now and then."""
        return self.went_back > CLOCKS_APART_SECONDS

    @property
    def as_last_pass(self) -> LastPass:
        """What a later pass has to know of this one."""
        return self.clocks or LastPass(self.clock, self.at)


def choose_watermark(  # noqa: PLR0913  # the two facts, then the settings that weigh them
    clock: Instant,
    open_transactions: OpenTransactions,
    *,
    strategy: Strategy,
    lookback: float,
    skew: float,
    zone: ZoneInfo | None = None,
    last: LastPass | None = None,
    other_clock: Instant | None = None,
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
        last: What the pass before went by, for clocks that have changed since.
        other_clock: What any other clock showed when ``clock`` was read; None if that took too
            long. It shows that the database's clock went back even if it has caught up since.

    Raises:
        AccessDeniedError: ``watermark`` is asked for, and the right to see transactions is missing.
        ConfigurationError: ``watermark`` is asked for, and the source has no way to see them.
    """
    unreadable = open_transactions if isinstance(open_transactions, NotReadable) else None
    if unreadable and strategy == "watermark":
        raise _cannot_keep(unreadable)
    blind = strategy == "lookback" or unreadable is not None
    offsets = _offsets(clock, open_transactions, last)
    held = _held(clock, None if blind else open_transactions, offsets, last, skew)
    reached = minus(minus(held.since, skew), lookback)
    at, local = (earliest_local(one, zone) for one in (reached, clock))
    ahead = _ahead(clock, other_clock, last)
    facts = (local, at, clock, ahead, held.identity, held.known_since, *offsets)
    return Watermark(
        at=at,
        clock=local,
        strategy="lookback" if blind else "watermark",
        held_by=held.by,
        fallen_from=unreadable if strategy == "auto" else None,
        went_back=_went_back(clock, ahead, last, skew),
        clocks=LastPass(*facts, held_by=held.kind, window=math.ceil(skew + lookback)),
    )


def _ahead(clock: Instant, other_clock: Instant | None, last: LastPass | None) -> int | None:
    """By how many seconds the database's clock is ahead of the other one; as before if unknown."""
    if other_clock is None:
        return last.ahead if last else None
    return round(seconds_between(clock, other_clock))


class _Held(NamedTuple):
    """What holds the watermark back: nothing before ``since`` (UTC) can still become visible."""

    since: Instant
    by: str = "the database clock"
    identity: str = ""
    kind: Literal["clock", "transaction"] = "clock"

    @property
    def known_since(self) -> Instant | None:
        """For a transaction that can be recognised: when it began."""
        return self.since if self.identity else None


def _held(
    clock: Instant,
    known: OpenTransactions | None,
    offsets: _Offsets,
    last: LastPass | None,
    skew: float,
) -> _Held:
    if isinstance(known, Oldest) and (began := _began(known, offsets, last, skew)) < clock:
        holder = known.holder or "an open transaction"
        return _Held(began, holder, known.identity, "transaction")
    return _Held(clock)


def _began(oldest: Oldest, offsets: _Offsets, last: LastPass | None, skew: float) -> Instant:
    """When the oldest transaction began, by whichever reckoning is the earliest.

    Its start is reckoned from the wall clock of the host. After clocks went back, one that began
    before counts an hour too young; so the hour is taken off for as long as that can be the case,
    also on a node whose clock is ahead of the one that dated the change. And whatever clocks do, a
    transaction that is still the same cannot have begun later than it was seen to.
    """
    began = oldest.at
    now, before, since = offsets
    if now is not None and before is not None and since is not None and before > now:
        early = minus(began, before - now)
        began = early if early <= plus(since, skew) else began
    if last and last.oldest and oldest.identity and oldest.identity == last.holder:
        began = min(began, last.oldest)
    return began


def _went_back(clock: Instant, ahead: int | None, last: LastPass | None, skew: float) -> float:
    """By how many seconds the database's clock has gone back since the last pass; 0 if not.

    It may have been the other clock that went on. That is not known, and looking for rows that are
    not there does less harm than not looking; what the nodes may differ by is allowed for anyway.
    """
    if last is None or last.utc is None:
        return 0.0
    back = seconds_between(last.utc, clock)
    if ahead is not None and last.ahead is not None:
        lost = last.ahead - ahead
        back = max(back, lost if lost > max(skew, JITTER_SECONDS) else 0.0)
    return max(0.0, back)


def _offsets(clock: Instant, known: OpenTransactions, last: LastPass | None) -> _Offsets:
    """The host's offset now, the greatest one before it, and since when that one is over.

    A transaction may have begun before any of the changes, and counts the younger the greater the
    offset was; that the greatest one is taken to have ended only now makes it count too old at
    worst, for as many hours as the clocks went back.
    """
    now = None if isinstance(known, NotReadable) else known.host_offset
    if last is None or last.offset is None:
        return now, None, None
    if now is None or now == last.offset:
        return last.offset, last.earlier_offset, last.offset_since
    before = last.offset if last.earlier_offset is None else max(last.offset, last.earlier_offset)
    return now, before, clock


_Offsets: TypeAlias = "tuple[int | None, int | None, Instant | None]"


def _cannot_keep(unreadable: NotReadable) -> AccessDeniedError | ConfigurationError:
    reason = (
        f"cannot read the open transactions for late_commit_strategy=watermark: {unreadable.why}"
    )
    error = AccessDeniedError if unreadable.right_missing else ConfigurationError
    return error(reason, unreadable.remedy)
