"""Waits grow, stay below the cap, end, and differ between jobs."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.backoff import Backoff
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.source_settings import SourceSettings


def test_the_last_delay_repeats_and_the_waits_end() -> None:
    waits = list(Backoff((1, 2, 4), max_retries=5, jitter=lambda: 0))
    assert waits == [1, 2, 4, 4, 4]


def test_a_backoff_can_be_walked_again_after_a_success() -> None:
    backoff = Backoff((1, 2, 4), max_retries=3, jitter=lambda: 0)
    assert list(backoff) == list(backoff) == [1, 2, 4]


def test_jitter_takes_off_up_to_half() -> None:
    assert list(Backoff((8,), max_retries=1, jitter=lambda: 1)) == [4]


def test_by_default_the_waits_are_those_of_version_7_but_more_of_them() -> None:
    assert SourceSettings.from_config({}).waits() == Backoff((1, 2, 4, 8, 16, 30), 15)


@given(st.floats(0, 1))
def test_by_default_the_waits_outlast_the_restart_of_a_listener(jitter: float) -> None:
    """With three retries they were over after 3.5 to 7 seconds."""
    waits = dataclasses.replace(SourceSettings.from_config({}).waits(), jitter=lambda: jitter)
    assert 150 <= sum(waits) <= 360


def test_fractions_may_come_as_text_from_the_environment() -> None:
    assert SourceSettings.from_config({"backoff": "0.5, 2.5"}).waits() == Backoff((0.5, 2.5), 15)


@pytest.mark.parametrize("backoff", ["soon", "1,", "1,-1", "nan", "inf", [], [1, None], 3])
def test_delays_that_cannot_be_waited_for_are_refused(backoff: object) -> None:
    with pytest.raises(ConfigurationError, match="`backoff` is not a list of numbers that fit"):
        SourceSettings.from_config({"backoff": backoff})


@given(
    delays=st.lists(st.floats(0, 1e6), min_size=1),
    retries=st.integers(0, 60),
    jitter=st.floats(0, 1),
)
def test_no_wait_is_longer_than_its_delay_or_less_than_half(
    delays: list[float], retries: int, jitter: float
) -> None:
    waits = list(Backoff(delays, retries, lambda: jitter))
    assert len(waits) == retries
    for retry, wait in enumerate(waits):
        delay = delays[min(retry, len(delays) - 1)]
        assert delay / 2 <= wait <= delay
