"""What the rows of a source and the copies in the stream have to do with each other. Pure."""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from target_nats_jetstream.verify.entries import Copy, Row


class Kind(StrEnum):
    """What a row and its copies turned out to be."""

    EQUAL = "equal"
    TWICE = "stored_twice"
    """The stream has the row more than once."""
    ALTERED = "altered"
    """The stream has the row with other content."""
    MISSING = "missing"
    """The stream does not have the row."""
    UNKNOWN = "unknown"
    """The source does not have the row."""
    EXPIRED = "expired"
    """The limits of the stream have removed the row."""


class Found(NamedTuple):
    """A row with its copies; a row alone, or copies alone, where there is nothing else."""

    kind: Kind
    row: Row | None
    copies: Sequence[Copy]

    @property
    def one(self) -> Row | Copy:
        """What tells of which row it speaks."""
        return self.row or self.copies[0]


def compare(rows: Iterable[Row], copies: Iterable[Copy]) -> Iterator[Found]:
    """Say of each row, and of each copy without a row, what is the case.

    A row that comes twice in ``rows`` is one row. That is not so for placed ones: of these there
    have to be as many copies as rows, and more of them say nothing.
    """
    stored = defaultdict[tuple[str, str], list["Copy"]](list)
    for copy in copies:
        stored[copy.name, copy.content].append(copy)
    lacking, seen = list["Row"](), set[tuple[str, str]]()
    for row in rows:
        identity = row.name, row.content
        if not row.placed and identity in seen:
            continue
        seen.add(identity)
        if found := stored.get(identity):
            yield Found(_kind(row, found), row, _take(row, found))
        else:
            lacking.append(row)
    yield from _unequal(lacking, (one for found in stored.values() for one in found))


def _kind(row: Row, found: Sequence[Copy]) -> Kind:
    return Kind.EQUAL if row.placed or len(found) == 1 else Kind.TWICE


def _take(row: Row, found: list[Copy]) -> Sequence[Copy]:
    """Take away the copies of a row: all of them, or one where each row has its own."""
    taken = found[:1] if row.placed else found[:]
    del found[: len(taken)]
    return taken


def _unequal(rows: Iterable[Row], copies: Iterable[Copy]) -> Iterator[Found]:
    """What has no equal: rows and copies of one name are altered, for as long as there are both."""
    others = defaultdict[str, list["Copy"]](list)
    for copy in copies:
        others[copy.name].append(copy)
    for row in rows:
        if found := others.get(row.name):
            yield Found(Kind.ALTERED, row, [found.pop(0)])
        else:
            yield Found(Kind.MISSING, row, [])
    for rest in others.values():
        yield from (Found(Kind.UNKNOWN, None, [copy]) for copy in rest)
