"""Positions are in the order of time, then of id."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.rules.position import Position
from tests.tap.rules.scans import rows


@given(st.lists(st.tuples(st.sampled_from([1.0, 2.0]), st.integers(0, 3)), min_size=2, max_size=2))
def test_positions_follow_each_other_by_time_and_then_by_id(
    places: list[tuple[float, int]],
) -> None:
    one, other = rows(*places)
    assert one.follows(other) == (places[0] > places[1])
    assert one.follows(Position.before(one.at))
    assert not Position.before(one.at).follows(one)
    assert not Position.before(one.at).follows(Position.before(one.at))
