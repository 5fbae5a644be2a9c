"""Times of the clock on the wall of the database host: never too late, whatever the clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.oracle.host_clock import (
    Earlier,
    gone_back,
    in_utc,
    measured,
    seconds_of,
    wall_time,
)
from tap_oracle_txlog.rules.timestamps import Instant, from_datetime, seconds_between

ZONES = ["Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]
AUTUMN = datetime(2026, 10, 25, 1, tzinfo=UTC)  # the end of summer in Europe
WHOLE = st.datetimes(
    datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2030-01-01")
).map(lambda at: at.replace(microsecond=0, tzinfo=UTC))


def offset(zone: str, at: datetime) -> int:
    found = at.astimezone(ZoneInfo(zone)).utcoffset()
    assert found is not None
    return int(found.total_seconds())


def wall(zone: str, at: datetime) -> Instant:
    return wall_time(f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M:%S}")


@given(
    zone=st.sampled_from(ZONES),
    now=st.one_of(WHOLE, st.integers(-3_600, 8 * 86_400).map(lambda s: AUTUMN + timedelta(0, s))),
    age=st.integers(0, 7 * 86_400 - 3_601),
)
def test_a_transaction_never_counts_younger_than_it_is(zone: str, now: datetime, age: int) -> None:
    """Not in the first run either, which has seen nothing of the clock before."""
    began = now - timedelta(seconds=age)
    found = in_utc(wall(zone, began), offset(zone, now), from_datetime(now))
    assert found <= from_datetime(began)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("month", [1, 6, 8, 12])
def test_where_no_zone_went_back_it_is_exact(zone: str, month: int) -> None:
    at = datetime(2026, month, 15, 12, tzinfo=UTC)
    began = at - timedelta(days=3)
    assert in_utc(wall(zone, began), offset(zone, at), from_datetime(at)) == from_datetime(began)


def test_a_transaction_stays_where_it_was_when_the_clock_goes_back() -> None:
    began = datetime(2026, 10, 24, 21, tzinfo=UTC)
    started = wall("Europe/Vienna", began)
    for hours in (4, 5, 48):
        now = began + timedelta(hours=hours)
        offset_now = offset("Europe/Vienna", now)
        assert in_utc(started, offset_now, from_datetime(now)) == from_datetime(began)


def test_what_begins_later_than_the_hour_that_comes_twice_is_exact_at_once() -> None:
    began = AUTUMN + timedelta(hours=1)
    found = in_utc(wall("Europe/Vienna", began), 3_600, from_datetime(began + timedelta(hours=1)))
    assert found == from_datetime(began)


def test_the_change_is_known_to_the_second_and_forgotten_after_a_week() -> None:
    ended = Earlier(7_200, from_datetime(AUTUMN))
    assert ended in gone_back(3_600, "2026-10-25T01")
    assert ended in gone_back(3_600, "2026-10-31T23")
    assert ended not in gone_back(3_600, "2026-10-25T00")
    assert ended not in gone_back(3_600, "2026-11-01T01")


@pytest.mark.parametrize(
    ("text", "seconds"), [("+00:00", 0), ("+05:30", 19_800), ("-03:30", -12_600)]
)
def test_offsets_are_read_as_oracle_writes_them(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@given(st.integers(-48, 56), st.integers(-440, 440))
def test_an_offset_can_be_measured_by_two_looks_at_about_the_same_time(
    quarters: int, late: int
) -> None:
    at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    shown = from_datetime(at + timedelta(seconds=quarters * 900 + late))
    assert measured(shown, from_datetime(at)) == quarters * 900
    assert seconds_between(shown, from_datetime(at)) == quarters * 900 + late
