"""Up to when a pipeline is complete, as the bookmarks of a STATE say it.

Pure.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

from target_nats_jetstream import bookmarks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from target_nats_jetstream.bookmarks import State

#: Member of our tap's STATE that lists the bookmarks of what it is no longer set to read.
RETIRED: Final = "retired"
COMPLETE: Final = "replication_key_value"


def counting(state: State) -> dict[str, State]:
    """The bookmarks that say up to when the pipeline is complete, by stream.

    All but those that the tap has listed as retired: a bookmark of a table or a slice that nobody
    reads any more stays where it is for ever. A table that only this run leaves out is not retired,
    nor does a tap that is not ours retire anything: waiting claims too little, and never too much.
    """
    streams, parts = _retired(state)
    return {
        stream: _without(bookmark, parts.get(stream, ()))
        for stream, bookmark in bookmarks.marks(state).items()
        if stream not in streams
    }


def _retired(state: State) -> tuple[set[str], dict[str, set[bytes]]]:
    """The streams, and of streams that are still read the contexts of partitions."""
    streams, parts = set[str](), dict[str, set[bytes]]()
    listed = state.get(RETIRED)
    for one in listed if isinstance(listed, list) else ():
        stream = bookmarks.members(one).get("stream")
        if isinstance(stream, str) and "context" in one:
            parts.setdefault(stream, set()).add(bookmarks.to_canonical(one["context"]))
        elif isinstance(stream, str):
            streams.add(stream)
    return streams, parts


def _without(bookmark: State, contexts: Collection[bytes]) -> State:
    """The bookmark without the partitions of these contexts."""
    if not contexts:
        return bookmark
    parts = bookmarks.partitions(bookmark)
    left = [part for part in parts if bookmarks.to_canonical(part.get("context")) not in contexts]
    return {**bookmark, bookmarks.PARTITIONS: left}


def complete_times(state: State) -> dict[str, str | None]:
    """Up to when each stream that counts is complete, as its bookmark writes it; None where it does
    not say.

    Without a replication value of its own, a stream is as far as the slowest of its partitions.
    """
    return {stream: _complete(bookmark) for stream, bookmark in counting(state).items()}


def held_back(before: State, state: State) -> tuple[str, str] | None:
    """The stream that all others wait for, and up to when it is complete; None where there is none.

    It is the slowest one, if it has not moved while one that is further has.

    Args:
        before: What was known when the run began.
        state: What is known now.
    """
    old, new = complete_times(before), complete_times(state)
    times = {name: time for name, text in new.items() if text and (time := wall_clock(text))}
    slowest = min(times, key=lambda name: times[name], default=None)
    moved = {name for name in times if old.get(name) != new[name]}
    if slowest is None or slowest in moved:
        return None
    waits = any(times[name] > times[slowest] for name in moved)
    return (slowest, str(new[slowest])) if waits else None


def _complete(bookmark: State) -> str | None:
    if (own := _text(bookmark)) is not None:
        return own
    found = [text for each in bookmarks.partitions(bookmark) if (text := _text(each)) is not None]
    return min(found, key=_in_time, default=None)


def _in_time(text: str) -> tuple[bool, datetime | str]:
    time = wall_clock(text)
    return (False, text) if time is None else (True, time)


def _text(bookmark: State) -> str | None:
    value = bookmark.get(COMPLETE)
    return value if isinstance(value, str) else None


def parts(state: State) -> Iterator[tuple[str, str, State]]:
    """Each bookmark that counts and says up to when something is complete: its stream, its place
    within that, and what it says.

    The stream's own has the place ``""``. Where it says something, its partitions are left out, as
    ``complete_times`` does.
    """
    for stream, bookmark in counting(state).items():
        if bookmark.get(COMPLETE) is not None:
            yield stream, "", bookmark
            continue
        for part in bookmarks.partitions(bookmark):
            yield stream, bookmarks.to_canonical(part.get("context")).decode(), part


def wall_clock(text: str) -> datetime | None:
    """The time in a bookmark, by the clock of the replication key; None when it is no time.

    People compare LAST_SUCCESSFUL_TIME with that column: its digits stay, an offset is cut off and
    not applied. Digits beyond the microsecond are cut.
    """
    if not re.match(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:|$)", text):
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None
