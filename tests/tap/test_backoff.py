"""Waits grow, stay below the cap, end, and differ between jobs."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.backoff import Backoff
from tap_oracle_txlog.source_settings import SourceSettings


def test_waits_double_up_to_the_cap_and_then_end() -> None:
    waits = list(Backoff(1, 30, 2, max_retries=7, jitter=lambda: 0))
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_a_backoff_can_be_walked_again_after_a_success() -> None:
    backoff = Backoff(1, 30, 2, max_retries=3, jitter=lambda: 0)
    assert list(backoff) == list(backoff) == [1, 2, 4]


def test_jitter_takes_off_up_to_half() -> None:
    assert list(Backoff(8, 30, 2, max_retries=1, jitter=lambda: 1)) == [4]


def test_the_settings_keep_the_names_of_version_7_and_its_waits_but_not_its_patience() -> None:
    assert SourceSettings.from_config({}).waits() == Backoff(1.0, 30.0, 2.0, 15)
    names = SourceSettings.properties().keys()
    assert {"max_retries", "initial_backoff", "max_backoff", "backoff_multiplier"} <= names


@given(st.floats(0, 1))
def test_by_default_the_waits_outlast_the_restart_of_a_listener(jitter: float) -> None:
    """With three retries they were over after 3.5 to 7 seconds."""
    waits = dataclasses.replace(SourceSettings.from_config({}).waits(), jitter=lambda: jitter)
    assert 150 <= sum(waits) <= 360


def test_fractions_may_come_as_text_from_the_environment() -> None:
    config = {"initial_backoff": "0.5", "max_backoff": "2.5", "backoff_multiplier": "1.5"}
    assert SourceSettings.from_config(config).waits() == Backoff(0.5, 2.5, 1.5, 15)


@given(
    initial=st.floats(0, 1e6),
    cap=st.floats(0, 1e6),
    factor=st.floats(1, 1e300),
    retries=st.integers(0, 60),
    jitter=st.floats(0, 1),
)
def test_no_wait_is_negative_or_longer_than_the_cap(
    initial: float, cap: float, factor: float, retries: int, jitter: float
) -> None:
    waits = list(Backoff(initial, cap, factor, retries, lambda: jitter))
    assert len(waits) == retries
    assert all(0 <= wait <= cap for wait in waits)
