"""Times of the clock on the wall of the database host: never too late, whatever the clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.oracle.host_clock import Earlier, HostClock, measured, seconds_of, wall_time
from tap_oracle_txlog.timestamps import Instant, from_datetime, seconds_between

ZONES = ["Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]
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
    first=WHOLE,
    passes=st.lists(st.integers(60, 40 * 86_400), min_size=1, max_size=12),
    start=st.integers(0, 7 * 86_400 - 1),
)
def test_a_transaction_never_counts_younger_than_it_is(
    zone: str, first: datetime, passes: list[int], start: int
) -> None:
    """One pass at least has been before it began, as in every run that goes on from a state."""
    clock = HostClock(offset(zone, first))
    now = first
    for seconds in passes:
        began = now + timedelta(seconds=min(start, seconds))
        now += timedelta(seconds=seconds)
        clock = clock.at(offset(zone, now), from_datetime(now))
        if (now - began).total_seconds() < 7 * 86_400:
            assert clock.in_utc(wall(zone, began)) <= from_datetime(began)


@pytest.mark.parametrize("zone", ZONES)
def test_as_long_as_the_clock_does_not_go_back_it_is_exact(zone: str) -> None:
    at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    clock = HostClock(offset(zone, at)).at(offset(zone, at), from_datetime(at))
    assert clock.in_utc(wall(zone, at)) == from_datetime(at)


def test_a_transaction_stays_where_it_was_when_the_clock_goes_back() -> None:
    began = datetime(2026, 10, 24, 21, tzinfo=UTC)
    before, after = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1))
    clock = HostClock(7_200).at(7_200, from_datetime(before))
    started = wall("Europe/Vienna", began)
    assert clock.in_utc(started) == from_datetime(began)
    clock = clock.at(3_600, from_datetime(after))
    assert clock.in_utc(started) == from_datetime(began)
    later = datetime(2026, 10, 25, 3, tzinfo=UTC)
    assert clock.in_utc(wall("Europe/Vienna", later)) == from_datetime(later)


def test_an_offset_is_forgotten_when_nothing_of_its_time_can_be_open() -> None:
    clock = HostClock(7_200).at(3_600, from_datetime(datetime(2026, 10, 25, 2, tzinfo=UTC)))
    assert clock.earlier == (Earlier(7_200, Instant("2026-10-25T02:00:00.000000000")),)
    assert clock.at(3_600, from_datetime(datetime(2026, 11, 2, tzinfo=UTC))).earlier == ()


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
