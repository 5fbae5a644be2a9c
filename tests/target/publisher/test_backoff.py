"""Backoff: waits that grow, differ, stay under their cap, and end."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from target_nats_jetstream.publisher.backoff import Backoff


@given(
    limit=st.floats(1, 600),
    initial=st.floats(0.001, 1),
    longest=st.floats(1, 30),
    factor=st.floats(1, 4),
    chance=st.floats(0, 1),
)
def test_waits_are_bounded_and_end_with_the_limit(
    limit: float, initial: float, longest: float, factor: float, chance: float
) -> None:
    backoff = Backoff(limit, initial=initial, longest=longest, factor=factor, chance=lambda: chance)
    now, waited = 1000.0, 0.0
    for _ in range(5000):
        wait = backoff.failed(now)
        if wait is None:
            assert waited >= limit * 0.999
            return
        assert 0 <= wait <= longest
        now, waited = now + wait + 0.2, waited + wait + 0.2  # a try itself takes a while
    msg = "backoff never ended"
    raise AssertionError(msg)


def test_waits_grow_from_the_first_to_the_longest() -> None:
    backoff = Backoff(100, initial=0.1, longest=2, factor=2, chance=lambda: 1)
    waits = [backoff.failed(0) for _ in range(7)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 2, 2]


def test_progress_gives_all_the_time_again() -> None:
    backoff = Backoff(10, initial=1, longest=4, factor=2, chance=lambda: 1)
    assert backoff.failed(0) == 1
    assert backoff.failed(20) is None
    backoff.progress()
    assert backoff.failed(20) == 1
    assert backoff.tries == 1


def test_the_limit_can_count_from_before_the_first_failure() -> None:
    backoff = Backoff(10, initial=1, longest=4, factor=2, chance=lambda: 1)
    assert backoff.failed(5, since=0) == 1
    assert backoff.failed(9) == 1, "the last wait ends with the limit"
    assert backoff.failed(10) is None
    assert backoff.lasted(10) == 10
