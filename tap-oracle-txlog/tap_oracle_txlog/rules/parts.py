"""What a run reads, part by part, and the mark in its bookmarks while there is more to read.

A part has a bookmark of its own: the tail that of the stream, a slice of a backfill one among the
stream's partitions. The mark, ``"reading": true``, tells a target whether the run that wrote a
STATE came to its end: a tap that was killed, or lost its database for good, leaves it in its last
one. It says nothing about the rows, and the next run does not heed it.

Bookmarks of what the tap is no longer set to read stay in the state, which lists them under
``"retired"``: a target then knows which ones say nothing of how far the pipeline is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from tap_oracle_txlog.errors import DataError, NotCompleteError
from tap_oracle_txlog.rules.replay import is_of
from tap_oracle_txlog.rules.timestamps import parse, plus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.rules.position import Position
    from tap_oracle_txlog.rules.replay import Replay
    from tap_oracle_txlog.rules.slices import Slice
    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.rules.watermark import Watermark

READING: Final = "reading"
RETIRED: Final = "retired"


class HowFar(Protocol):
    """How far a part is read: ``Progress`` of events, ``CaseProgress`` of cases."""

    @property
    def frontier(self) -> Position:
        """The newest row that was read."""
        ...

    @property
    def complete_before(self) -> Instant:
        """Up to when nothing is missing."""
        ...

    def covers(self, end: Instant) -> bool:
        """Whether all before ``end`` is out for good."""
        ...

    def to_bookmark(self) -> dict[str, Any]:
        """What the state says of it."""
        ...


class Part(NamedTuple):
    """The tail from ``start`` on, or a slice that ends before ``end``.

    ``context`` is the place of its bookmark among the partitions; None is the stream's own.
    """

    context: dict[str, Any] | None
    start: Instant
    end: Instant | None

    def is_read(self, progress: HowFar, *, at_end: bool = False) -> bool:
        """Whether nothing is left to read: of the tail where a pass is ``at_end``, of a slice when
        all of it is complete.
        """
        return at_end if self.end is None else progress.covers(self.end)


def parts_of(start: Instant, backfill: Sequence[Slice], replay: Replay | None = None) -> list[Part]:
    """The slices of a backfill, or the tail from ``start`` on where there are none; of a replay,
    all of it.
    """
    if replay is not None:
        return [Part(dict(replay.context), start, backfill[-1].end if backfill else None)]
    if not backfill:
        return [Part(None, start, None)]
    return [Part({"start": begin, "end": end}, begin, end) for begin, end in backfill]


def retire_streams(state: dict[str, Any], read: Collection[str]) -> list[str]:
    """List the bookmarks of streams that are not read any more, which are also returned."""
    gone = sorted(name for name in state.get("bookmarks", {}) if name not in read)
    _list_retired(state, [{"stream": name} for name in gone])
    return gone


def retire_slices(state: dict[str, Any], stream: str, parts: Iterable[Part]) -> None:
    """List those partitions of a stream, of which slices or a replay are read, that are none of
    these.
    """
    read = {_place(part.context) for part in parts if part.context is not None}
    found = state.get("bookmarks", {}).get(stream, {}).get("partitions", ())
    gone = [one["context"] for one in found if read and _place(one["context"]) not in read]
    others = [one for one in state.get(RETIRED, ()) if one["stream"] != stream]
    own = [{"stream": stream, "context": context} for context in gone]
    _list_retired(state, sorted([*others, *own], key=lambda one: str(one["stream"])))


def _place(context: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, str(value)) for name, value in context.items()))


def _list_retired(state: dict[str, Any], retired: list[dict[str, Any]]) -> None:
    """Without any, the state is what it was without the list."""
    state.pop(RETIRED, None)
    if retired:
        state[RETIRED] = retired


def clear_marks(state: Mapping[str, Any]) -> None:
    """Take out the marks of an earlier run: of what it left unread, this one may read something
    else.
    """
    for bookmark in state.get("bookmarks", {}).values():
        clear_marks_in(bookmark)


def clear_marks_in(bookmark: dict[str, Any]) -> None:
    """Take out the marks of one stream, and of its partitions."""
    for place in (bookmark, *bookmark.get("partitions", ())):
        if place.get(READING) is True:
            del place[READING]


def has_time(
    state: Mapping[str, Any], stream: str, *, in_slices: bool = False, replay: str | None = None
) -> bool:
    """Whether the state says up to when the stream, or one of its slices, is complete; with
    ``replay``, whether it says so of that one.
    """
    bookmark = state.get("bookmarks", {}).get(stream, {})
    partitions = bookmark.get("partitions", ())
    places = [bookmark, *partitions] if in_slices else [bookmark]
    if replay is not None:
        places = [one for one in partitions if is_of(replay, one.get("context"))]
    return any(place.get("replication_key_value") is not None for place in places)


def written_time(state: Mapping[str, Any] | None, stream: str) -> str:
    """The bookmark of ``stream`` in ``state`` as it is written; empty where there is none."""
    bookmark = ((state or {}).get("bookmarks") or {}).get(stream) or {}
    return str(bookmark.get("replication_key_value") or "")


def is_before(given: str, kept: str, zone: ZoneInfo | None) -> bool:
    """Whether the bookmark that is given is of an earlier time than the ledger's.

    One that names no time is not compared: it is refused, with its remedy, where it is used.
    """
    try:
        return bool(given and kept) and parse(given, zone) < parse(kept, zone)
    except ValueError:
        return False


def check_form(state: object) -> None:
    """See that bookmarks and partitions are where they have to be.

    Only an empty object has no bookmarks: any other without them is something around a state, such
    as a whole STATE message, and would be read as a first run.

    Raises:
        DataError: They are not.
    """
    missing: dict[str, Any] | None = None if state else {}
    bookmarks = state.get("bookmarks", missing) if isinstance(state, dict) else None
    are_objects = isinstance(bookmarks, dict) and all(
        isinstance(one, dict) and _are_partitions(one.get("partitions", []))
        for one in bookmarks.values()
    )
    if not are_objects:
        reason = 'the given state is not valid: expected {"bookmarks": {"STREAM": {...}}}'
        raise DataError(reason, "Use the state that the last run wrote")


def _are_partitions(found: object) -> bool:
    return isinstance(found, list) and all(
        isinstance(one, dict) and isinstance(one.get("context"), dict) for one in found
    )


def not_complete(
    complete: Instant, end: Instant, watermark: Watermark, window: float
) -> NotCompleteError:
    """The end of a backfill that has read all there is, while older rows can still be committed.

    Args:
        complete: All before it is out for good.
        end: The end of the backfill.
        watermark: The one of the last pass.
        window: By how many seconds a watermark is behind what holds it: look-back and clock skew.
    """
    due, held_since = plus(end, window), plus(watermark.at, window)
    waits = []
    if due > watermark.clock:
        waits.append(f"after {due} by the clock of the replication key")
    if held_since < min(due, watermark.clock):
        waits.append(f"when {watermark.held_by}, open since {held_since}, has ended")
    reason = (
        f"the backfill is complete up to {complete}, but not up to its end {end}: transactions can "
        "still commit rows in between"
    )
    when = " and ".join(waits) or "now"
    return NotCompleteError(
        reason, f"Run it again {when}, or set poll_interval_seconds to wait for it"
    )
