"""The outcome of a comparison, added up by bucket. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from target_nats_jetstream.verify.comparison import Kind
from target_nats_jetstream.verify.values import bucket, in_order, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_nats_jetstream.verify.comparison import Found
    from target_nats_jetstream.verify.entries import Copy, Row

SHOWN: Final = 10
"""Keys of one kind and bucket that are named; the list has all of them."""
DIFFERENT: Final = (Kind.MISSING, Kind.ALTERED, Kind.TWICE, Kind.UNKNOWN)
"""In the order in which they are shown."""


class Bucket(NamedTuple):
    """An hour of a Singer stream; the whole stream where the replication value is no time."""

    stream: str
    label: str


@dataclass(slots=True)
class Sum:
    """What was found in one bucket."""

    rows: int = 0
    messages: int = 0
    counts: Counter[Kind] = field(default_factory=Counter)
    keys: dict[Kind, list[str]] = field(default_factory=dict)

    def add(self, found: Found) -> None:
        """Count a row and its copies."""
        kind = found.kind
        self.rows += found.row is not None and kind is not Kind.EXPIRED
        self.messages += len(found.copies)
        if kind is Kind.EQUAL:
            return
        self.counts[kind] += len(found.copies) - 1 if kind is Kind.TWICE else 1
        shown = self.keys.setdefault(kind, [])
        if len(shown) < SHOWN:
            shown.append(shown_key(found.one))

    @property
    def differs(self) -> bool:
        """Whether something is not as it should be."""
        return any(self.counts[kind] for kind in DIFFERENT)

    def named(self, kind: Kind) -> list[str]:
        """The keys that are shown."""
        return in_order(list(dict.fromkeys(self.keys.get(kind, ()))))


class Tally:
    """All buckets."""

    def __init__(self) -> None:
        self._sums: dict[Bucket, Sum] = {}

    def add(self, found: Found) -> None:
        """Count a row and its copies."""
        one = found.one
        at = Bucket(one.stream, bucket(one.value))
        if (found_sum := self._sums.get(at)) is None:
            found_sum = self._sums[at] = Sum()
        found_sum.add(found)

    def __len__(self) -> int:
        """How many buckets have rows or messages."""
        return sum(bool(one.rows or one.messages) for one in self._sums.values())

    @property
    def rows(self) -> int:
        """Different rows that were compared."""
        return sum(one.rows for one in self._sums.values())

    @property
    def messages(self) -> int:
        """Messages that were compared."""
        return sum(one.messages for one in self._sums.values())

    def count(self, kind: Kind) -> int:
        """Of one kind, in all buckets."""
        return sum(one.counts[kind] for one in self._sums.values())

    def buckets(self) -> Iterator[tuple[Bucket, Sum]]:
        """All of them, in their order."""
        for at in sorted(self._sums):
            yield at, self._sums[at]

    def different(self) -> Iterator[tuple[Bucket, Sum]]:
        """The buckets that differ, in their order."""
        return ((at, found) for at, found in self.buckets() if found.differs)


def shown_key(one: Row | Copy) -> str:
    """Which row it is, for people: its key, or what stands for one."""
    return key_of(one.name.removeprefix(f"{one.stream}:"))
