"""Backoff: waits that grow, differ, stay under their cap, and end."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from target_nats_jetstream.publisher.backoff import FREE_TRIES, Backoff


@given(
    limit=st.floats(1, 600),
    delays=st.lists(st.floats(0, 30), min_size=1),
    chance=st.floats(0, 1),
)
def test_waits_are_bounded_and_end_with_the_limit(
    limit: float, delays: list[float], chance: float
) -> None:
    backoff = Backoff(limit, delays=delays, chance=lambda: chance)
    now, waited = 1000.0, 0.0
    for _ in range(5000):
        wait = backoff.failed(now)
        if wait is None:
            assert waited >= limit * 0.999
            return
        assert 0 <= wait <= max(delays)
        now, waited = now + wait + 0.2, waited + wait + 0.2  # a try itself takes a while
    msg = "backoff never ended"
    raise AssertionError(msg)


def test_the_last_delay_repeats() -> None:
    backoff = Backoff(100, delays=(0.1, 0.2, 2), chance=lambda: 1)
    waits = [backoff.failed(0) for _ in range(5)]
    assert waits == [0.1, 0.2, 2, 2, 2]


def test_progress_gives_all_the_time_again() -> None:
    backoff = Backoff(10, delays=(1, 2, 4), chance=lambda: 1)
    assert backoff.failed(0) == 1
    assert backoff.failed(20) is None
    backoff.progress()
    assert backoff.failed(20) == 1
    assert backoff.tries == 1


def test_the_limit_can_count_from_before_the_first_failure() -> None:
    backoff = Backoff(10, delays=(1, 2, 4), chance=lambda: 1)
    assert backoff.failed(5, since=0) == 1
    assert backoff.failed(9) == 1, "the last wait ends with the limit"
    assert backoff.failed(10) is None
    assert backoff.lasted(10) == 10


def test_other_ways_are_tried_at_once_but_not_for_ever_without_progress() -> None:
    backoff = Backoff(10, delays=(1,), chance=lambda: 1)
    for _ in range(2):
        assert [backoff.is_free() for _ in range(FREE_TRIES + 2)] == [True] * FREE_TRIES + [
            False
        ] * 2
        backoff.progress()
