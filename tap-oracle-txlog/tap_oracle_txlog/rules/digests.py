"""The digest of a set of rows: how many there are, and the sum of what id and key of each hash to.

A sum does not depend on the order, so a database can add up in place, and whoever holds the other
side can add up rows in the order in which they are found. Two sets that differ by a single row
differ in their digest.
"""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_oracle_txlog.rules.position import Position

FIRST_DIGIT: Final = 17
"""Of the 32 hexadecimal digits of a hash, those from here on are added: 60 bits, so that the sum of
a thousand million rows has no more digits than a NUMBER of Oracle."""


class Digest(NamedTuple):
    """Of no rows, both are 0."""

    rows: int
    total: int


def digest_of(positions: Iterable[Position]) -> Digest:
    """The digest of the rows at these positions."""
    hashes = [
        int(md5(f"{id_}|{at}".encode(), usedforsecurity=False).hexdigest()[FIRST_DIGIT:], 16)
        for at, id_ in positions
    ]
    return Digest(len(hashes), sum(hashes))


def added(one: Digest, other: Digest) -> Digest:
    """The digest of both sets together."""
    return Digest(one.rows + other.rows, one.total + other.total)
