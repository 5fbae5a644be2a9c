"""The digest of a set of rows."""

from __future__ import annotations

from hashlib import md5

from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.rules.digests import Digest, added, digest_of
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import from_nanoseconds

positions = st.builds(
    Position, st.integers(0, 10**9).map(from_nanoseconds), st.integers() | st.text(min_size=1)
)


@given(st.lists(positions), st.lists(positions), st.randoms(use_true_random=False))
def test_a_digest_is_the_sum_of_its_parts_in_any_order(
    some: list[Position], more: list[Position], chance: object
) -> None:
    together = [*some, *more]
    chance.shuffle(together)  # type: ignore[attr-defined]
    assert digest_of(together) == added(digest_of(some), digest_of(more))
    assert digest_of([]) == Digest(0, 0)


@given(st.lists(positions, min_size=1, unique=True), st.data())
def test_a_row_more_or_less_or_twice_is_another_digest(
    rows: list[Position], data: st.DataObject
) -> None:
    one = data.draw(st.sampled_from(rows))
    digests = {digest_of(rows), digest_of([*rows, one])}
    digests.add(digest_of([row for row in rows if row != one]))
    assert len(digests) == 3


def test_it_is_what_a_database_adds_up() -> None:
    at = from_nanoseconds(0)
    text = md5(f"7|{at}".encode(), usedforsecurity=False).hexdigest()
    assert digest_of([Position(at, 7)]) == (1, int(text[-15:], 16))
