"""What a Singer STATE says; the only place that knows how one is built.

The SDK keeps a bookmark for each stream under ``bookmarks``, and within it, under ``partitions``,
one for each part of the stream that is read by itself, such as a slice of a backfill. So a bookmark
has two parts that are written by different runs: what it says of the stream, and its partitions.

Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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
#: Member of the context of a partition that is a replay.
REPLAY: Final = "replay"

#: Far more than any tap needs, and far fewer than Python and its libraries can recurse.
MOST_LEVELS: Final = 200

BOOKMARKS, PARTITIONS = "bookmarks", "partitions"

_from_json = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
_to_json = msgspec.json.Encoder(decimal_format="number").encode
to_canonical = msgspec.json.Encoder(decimal_format="number", order="sorted").encode


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
    return set(marks(state))


def only(state: State, streams: Collection[str]) -> dict[str, object]:
    """The STATE with the bookmarks of some streams alone."""
    left = {stream: mark for stream, mark in marks(state).items() if stream in streams}
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
        ours, theirs = marks(kept), marks(state)
        changed = {stream: _bookmark(ours.get(stream, {}), new) for stream, new in theirs.items()}
        merged[BOOKMARKS] = {**members(kept[BOOKMARKS]), **members(state[BOOKMARKS]), **changed}
    return merged


def _merged(kept: State, new: State) -> dict[str, object]:
    merged = dict(kept)
    for name, value in new.items():
        if isinstance(value, Mapping):
            merged[name] = _merged(members(kept.get(name)), value)
        else:
            merged[name] = value
    return merged


def _bookmark(kept: State, new: State) -> dict[str, object]:
    of_stream = _of_stream(new if _without_reading(_of_stream(new)) else {**kept, **new})
    parts = new.get(PARTITIONS, kept.get(PARTITIONS))
    return of_stream if parts is None else {**of_stream, PARTITIONS: parts}


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
    for stream, bookmark in marks(state).items():
        parts = [_without_reading(each) for each in partitions(bookmark)]
        own = _without_reading(_of_stream(bookmark))
        if own:
            found[stream] = _digest(own)
        if parts:
            found[f"{stream} ({PARTITIONS})"] = _digest(parts)
    return found


def _digest(value: object) -> str:
    return hashlib.sha256(to_canonical(value)).hexdigest()[:16]


def _without_reading(bookmark: State) -> dict[str, object]:
    return {name: value for name, value in bookmark.items() if name != READING}


def unfinished(state: State) -> list[str]:
    """The streams, and the slices of streams, that our tap has not read to their end."""
    found = []
    for stream, bookmark in marks(state).items():
        if bookmark.get(READING) is True:
            found.append(stream)
        found += [
            f"{stream} {_part_name(members(part.get('context')))}"
            for part in partitions(bookmark)
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
        for stream, bookmark in marks(state).items()
        for part in partitions(bookmark)
        if REPLAY in (context := members(part.get("context")))
    }


def reads_other_than_replays(state: State) -> bool:
    """Whether our tap is reading the tail of a stream, or slices."""
    return any(
        place.get(READING) is True and REPLAY not in members(place.get("context"))
        for bookmark in marks(state).values()
        for place in (bookmark, *partitions(bookmark))
    )


def without_test_stream(state: State) -> dict[str, object]:
    """The STATE without what ``meltano config test`` has put into it; empty if that was all."""
    left = {
        name: mark for name, mark in members(state.get(BOOKMARKS)).items() if name != TEST_STREAM
    }
    others = {name: value for name, value in state.items() if name != BOOKMARKS}
    if BOOKMARKS not in state or len(left) == len(members(state[BOOKMARKS])):
        return dict(state)
    return {**others, BOOKMARKS: left} if left else others


def marks(state: State) -> dict[str, State]:
    """The bookmarks by stream, without what is none."""
    found = members(state.get(BOOKMARKS))
    return {stream: mark for stream, mark in found.items() if isinstance(mark, Mapping)}


def partitions(bookmark: State) -> Iterator[State]:
    """The bookmarks of the parts of a stream, without what is none."""
    found = bookmark.get(PARTITIONS)
    for each in found if isinstance(found, list) else []:
        if isinstance(each, Mapping):
            yield each


def _of_stream(bookmark: State) -> dict[str, object]:
    return {name: value for name, value in bookmark.items() if name != PARTITIONS}


def members(value: object) -> Mapping[str, object]:
    """The members of a JSON object; none where it is another value."""
    return value if isinstance(value, Mapping) else {}
