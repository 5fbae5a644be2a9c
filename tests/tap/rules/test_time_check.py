"""Whether the times of rows can be what they are taken for."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.time_check import TimeCheck, advice, is_of_zones
from tap_oracle_txlog.rules.timestamps import Instant, instant, minus, plus, render

NOON = instant("2026-07-01T12:00:00.000000000")


@given(st.integers(-56, 56).filter(bool), st.floats(-19, 19))
def test_any_two_zones_are_whole_quarter_hours_apart(quarters: int, more: float) -> None:
    assert is_of_zones(quarters * 900 + more)


@given(st.floats(-440, 440), st.integers(-56, 56))
def test_what_is_not_near_a_quarter_hour_is_no_zone(off: float, quarters: int) -> None:
    assert is_of_zones(quarters * 900 + off) == (quarters != 0 and abs(off) <= 20)


def test_nothing_is_odd_about_a_row_that_is_beside_the_clock_or_long_ago() -> None:
    for behind in (-2, 0, 500, 90_000, 10**8):
        assert advice("AT", behind, skew=2) is None


def newest(
    *late: float, at: Instant = NOON, offset: str = "+00:00"
) -> tuple[list[Position], list[str]]:
    """Rows, and their CREATED_AT, which is later than their time by so many seconds."""
    stamps = [plus(at, each) if each >= 0 else minus(at, -each) for each in late]
    positions = [Position(at, number) for number in range(len(late))]
    return positions, [render(each, 6, offset) for each in stamps]


@pytest.mark.parametrize(
    ("late", "words"),
    [
        ((0, 100, 302), None),
        ((0, 0, 303), "lookback_seconds to 454"),
        ((3_600, 3_601), "1:00:01 ahead of the key"),
        ((-7_200, -7_199), "1:59:59 behind the key"),
        ((0, 3_600), "lookback_seconds to 5400"),
    ],
)
def test_rows_that_are_inserted_later_than_the_window_are_told(
    late: tuple[float, ...], words: str | None
) -> None:
    found = list(TimeCheck(302, 2).warnings(*newest(*late), NOON, None))
    assert len(found) == (words is not None)
    assert all((words or "") in text for text in found)


def test_times_of_a_zone_are_compared_as_its_clock_shows_them() -> None:
    zoned = newest(10, offset="+02:00")
    assert list(TimeCheck(302, 2).warnings(*zoned, NOON, ZoneInfo("Europe/Vienna"))) == []


def test_it_looks_once_and_only_where_there_are_rows() -> None:
    check = TimeCheck(302, 2)
    assert list(check.warnings([], [], NOON, None)) == []
    assert len(list(check.warnings(*newest(400), NOON, None))) == 1
    assert list(check.warnings(*newest(400), NOON, None)) == []


def test_a_column_of_that_name_that_is_no_time_is_left_alone() -> None:
    for value in (7, None, "yesterday"):
        assert list(TimeCheck(302, 2).warnings([Position(NOON, 1)], [value], NOON, None)) == []
