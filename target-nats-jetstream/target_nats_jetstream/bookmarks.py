"""What a Singer STATE says; the only place that knows how one is built.

The SDK keeps a bookmark for each stream under ``bookmarks``, and within it, under ``partitions``,
one for each part of the stream that is read by itself, such as a slice of a backfill. So a bookmark
has two parts that are written by different runs: what it says of the stream, and its partitions.

Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

State = Mapping[str, object]

#: The stream that ``meltano config test`` sends, with a STATE of its own.
TEST_STREAM: Final = "meltano_test_stream"
#: Member of our tap's bookmarks while there is still something to read.
READING: Final = "reading"
#: Member of our tap's STATE that lists the bookmarks of what it is no longer set to read.
RETIRED: Final = "retired"
#: Member of the context of a partition that is a replay.
REPLAY: Final = "replay"

#: Far more than any tap needs, and far fewer than Python and its libraries can recurse.
MOST_LEVELS: Final = 200

BOOKMARKS, PARTITIONS, COMPLETE = "bookmarks", "partitions", "replication_key_value"

_from_json = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
_to_json = msgspec.json.Encoder(decimal_format="number").encode
_to_canonical = msgspec.json.Encoder(decimal_format="number", order="sorted").encode


def is_too_deep(state: State) -> bool:
    """Whether a STATE is nested so deeply that not everything can be done with it."""
    values: list[Any] = [state]
    for _ in range(MOST_LEVELS):
        inner = (one.values() if isinstance(one, dict) else one for one in values)
        values = [each for one in inner for each in one if isinstance(each, dict | list)]
        if not values:
            return False
    return True


def encode(state: State) -> str:
    """The STATE as JSON, with all digits of its numbers."""
    return _to_json(state).decode()


def decode(text: str) -> dict[str, object] | None:
    """The STATE that the JSON is, with all digits of its numbers; None where it is none."""
    try:
        return _from_json(text)
    except (
        msgspec.DecodeError,
        RecursionError,
        TypeError,
        UnicodeError,
    ):  # a column may be a number
        return None


def streams(state: State) -> set[str]:
    """The streams that the STATE has a bookmark for."""
    return set(_bookmarks(state))


def only(state: State, streams: Collection[str]) -> dict[str, object]:
    """The STATE with the bookmarks of some streams alone."""
    left = {stream: mark for stream, mark in _bookmarks(state).items() if stream in streams}
    return {**state, BOOKMARKS: left}


def merge(kept: State, state: State) -> dict[str, object]:
    """``kept`` with what ``state`` says, as Meltano merges partial states.

    Objects are merged, other values replaced. A bookmark that speaks of its stream replaces what
    the kept one says of it as a whole, because a member that is gone means something: deep in a
    bookmark, ``reading`` would stay for ever. Its partitions stay unless there are new ones, and
    the other way round: so a backfill does not touch how far the tail is.
    """
    merged = _merged(kept, state)
    if isinstance(kept.get(BOOKMARKS), Mapping) and isinstance(state.get(BOOKMARKS), Mapping):
        ours, theirs = _bookmarks(kept), _bookmarks(state)
        changed = {stream: _bookmark(ours.get(stream, {}), new) for stream, new in theirs.items()}
        merged[BOOKMARKS] = {**_members(kept[BOOKMARKS]), **_members(state[BOOKMARKS]), **changed}
    return merged


def _merged(kept: State, new: State) -> dict[str, object]:
    merged = dict(kept)
    for name, value in new.items():
        if isinstance(value, Mapping):
            merged[name] = _merged(_members(kept.get(name)), value)
        else:
            merged[name] = value
    return merged


def _bookmark(kept: State, new: State) -> dict[str, object]:
    of_stream = _of_stream(new if _without_reading(_of_stream(new)) else {**kept, **new})
    partitions = new.get(PARTITIONS, kept.get(PARTITIONS))
    return of_stream if partitions is None else {**of_stream, PARTITIONS: partitions}


def counting(state: State) -> dict[str, State]:
    """The bookmarks that say up to when the pipeline is complete, by stream.

    All but those that the tap has listed as retired: a bookmark of a table or a slice that nobody
    reads any more stays where it is for ever. A table that only this run leaves out is not retired,
    nor does a tap that is not ours retire anything: waiting claims too little, and never too much.
    """
    streams, parts = _retired(state)
    return {
        stream: _without(bookmark, parts.get(stream, ()))
        for stream, bookmark in _bookmarks(state).items()
        if stream not in streams
    }


def _retired(state: State) -> tuple[set[str], dict[str, set[bytes]]]:
    """The streams, and of streams that are still read the contexts of partitions."""
    streams, parts = set[str](), dict[str, set[bytes]]()
    listed = state.get(RETIRED)
    for one in listed if isinstance(listed, list) else ():
        stream = _members(one).get("stream")
        if isinstance(stream, str) and "context" in one:
            parts.setdefault(stream, set()).add(_to_canonical(one["context"]))
        elif isinstance(stream, str):
            streams.add(stream)
    return streams, parts


def _without(bookmark: State, contexts: Collection[bytes]) -> State:
    """The bookmark without the partitions of these contexts."""
    if not contexts:
        return bookmark
    parts = _partitions(bookmark)
    left = [part for part in parts if _to_canonical(part.get("context")) not in contexts]
    return {**bookmark, PARTITIONS: left}


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
    found = [text for each in _partitions(bookmark) if (text := _text(each)) is not None]
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
        for part in _partitions(bookmark):
            yield stream, _to_canonical(part.get("context")).decode(), part


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


def fingerprints(state: State) -> dict[str, str]:
    """A digest of each part of the STATE that changes by itself, by a name for people.

    A bookmark has one for what it says of its stream and one for its partitions, whatever order
    their members have, and whether or not something was still to be read. A STATE without
    ``bookmarks`` has one for the whole. What says nothing, as where a run begins from the start,
    has none.
    """
    if BOOKMARKS not in state:
        return {"": _digest(state)} if state else {}
    found = {}
    for stream, bookmark in _bookmarks(state).items():
        partitions = [_without_reading(each) for each in _partitions(bookmark)]
        own = _without_reading(_of_stream(bookmark))
        if own:
            found[stream] = _digest(own)
        if partitions:
            found[f"{stream} ({PARTITIONS})"] = _digest(partitions)
    return found


def _digest(value: object) -> str:
    return hashlib.sha256(_to_canonical(value)).hexdigest()[:16]


def _without_reading(bookmark: State) -> dict[str, object]:
    return {name: value for name, value in bookmark.items() if name != READING}


def unfinished(state: State) -> list[str]:
    """The streams, and the slices of streams, that our tap has not read to their end."""
    found = []
    for stream, bookmark in _bookmarks(state).items():
        if bookmark.get(READING) is True:
            found.append(stream)
        found += [
            f"{stream} {_part_name(_members(part.get('context')))}"
            for part in _partitions(bookmark)
            if part.get(READING) is True
        ]
    return found


def _part_name(context: Mapping[str, object]) -> str:
    """What the context of a partition of our tap means, for people."""
    if REPLAY in context:
        return f"replay {context[REPLAY]}"
    return f"slice {'..'.join(map(str, context.values()))}"


def replays(state: State) -> dict[tuple[str, str], tuple[str, bool]]:
    """The replays of our tap in a STATE: by stream and name, what is selected, and whether there is
    more to read.
    """
    return {
        (stream, str(context[REPLAY])): (str(context.get("selection")), part.get(READING) is True)
        for stream, bookmark in _bookmarks(state).items()
        for part in _partitions(bookmark)
        if REPLAY in (context := _members(part.get("context")))
    }


def reads_other_than_replays(state: State) -> bool:
    """Whether our tap is reading the tail of a stream, or slices."""
    return any(
        place.get(READING) is True and REPLAY not in _members(place.get("context"))
        for bookmark in _bookmarks(state).values()
        for place in (bookmark, *_partitions(bookmark))
    )


def without_test_stream(state: State) -> dict[str, object]:
    """The STATE without what ``meltano config test`` has put into it; empty if that was all."""
    left = {
        name: mark for name, mark in _members(state.get(BOOKMARKS)).items() if name != TEST_STREAM
    }
    others = {name: value for name, value in state.items() if name != BOOKMARKS}
    if BOOKMARKS not in state or len(left) == len(_members(state[BOOKMARKS])):
        return dict(state)
    return {**others, BOOKMARKS: left} if left else others


def _bookmarks(state: State) -> dict[str, State]:
    """The bookmarks by stream, without what is none."""
    found = _members(state.get(BOOKMARKS))
    return {stream: mark for stream, mark in found.items() if isinstance(mark, Mapping)}


def _partitions(bookmark: State) -> Iterator[State]:
    found = bookmark.get(PARTITIONS)
    for each in found if isinstance(found, list) else []:
        if isinstance(each, Mapping):
            yield each


def _of_stream(bookmark: State) -> dict[str, object]:
    return {name: value for name, value in bookmark.items() if name != PARTITIONS}


def _members(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
