"""Instants: text order is time order, nothing is ever rounded up, no hour is skipped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.rules.timestamps import (
    BEGINNING,
    END,
    Instant,
    earliest_local,
    from_datetime,
    from_nanoseconds,
    instant,
    minus,
    nanoseconds,
    parse,
    plus,
    render,
    render_offset,
    seconds_between,
    to_datetime,
)

LAST = nanoseconds(END)
COUNTS = st.integers(0, LAST)
INSTANTS = COUNTS.map(from_nanoseconds)
THIS_CENTURY = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1))  # noqa: DTZ001  # UTC readings
SPANS = st.floats(0, 1e9)
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    [
        BERLIN,
        ZoneInfo("America/New_York"),
        ZoneInfo("Australia/Lord_Howe"),
        ZoneInfo("Asia/Kolkata"),
        ZoneInfo("Pacific/Apia"),
        ZoneInfo("UTC"),
    ]
)


@given(COUNTS, COUNTS)
def test_text_order_is_time_order(one: int, other: int) -> None:
    texts = from_nanoseconds(one), from_nanoseconds(other)
    assert (texts[0] < texts[1]) == (one < other)


@given(INSTANTS)
def test_every_instant_has_the_one_form_and_comes_back_from_all_of_them(at: Instant) -> None:
    assert len(at) == 29
    assert instant(at) == at
    assert parse(at) == at
    assert parse(at.replace("T", " ")) == at
    assert parse(at + "Z") == at
    assert from_nanoseconds(nanoseconds(at)) == at


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22",
        "2026-11-22T10:00:00",
        "2026-11-22T10:00:00.123456",
        "2026-11-22 10:00:00.123456789",
        "2026-11-22T10:00:00.123456789Z",
        "2026-11-22T10:00:00.123456789\n",
        "2026-02-29T10:00:00.000000000",
        "2026-11-22T24:00:00.000000000",
        "2026-11-22T10:00:60.000000000",
        "２０２６-11-22T10:00:00.000000000",  # noqa: RUF001  # full-width digits are digits to Python
        "",
    ],
)
def test_an_instant_is_refused_in_any_other_form(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        instant(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-31", "2026-01-31T00:00:00.000000000"),
        (" 2026-01-31 ", "2026-01-31T00:00:00.000000000"),
        ("2026-01-31T18:30", "2026-01-31T18:30:00.000000000"),
        ("2026-01-31 18:30:05", "2026-01-31T18:30:05.000000000"),
        ("2026-01-31T18:30:05.1", "2026-01-31T18:30:05.100000000"),
        ("2026-01-31T18:30:05,25", "2026-01-31T18:30:05.250000000"),
        ("2026-01-31T18:30:05.1234567899", "2026-01-31T18:30:05.123456789"),
        ("2026-01-31T18:30:05.999999999999", "2026-01-31T18:30:05.999999999"),
        ("2026-01-31T18:30:05Z", "2026-01-31T18:30:05.000000000"),
        ("2026-01-31T18:30:05+00:00", "2026-01-31T18:30:05.000000000"),
        ("2026-01-31T18:30:05.5+01:00", "2026-01-31T17:30:05.500000000"),
        ("2026-01-31 18:30:05.5 -0530", "2026-02-01T00:00:05.500000000"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00.000000000"),
    ],
)
def test_people_may_write_a_time_in_the_usual_ways(text: str, at: str) -> None:
    assert parse(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "",
        "2026-13-01",
        "2026-02-30",
        "20260131",
        "2026-01-31Z",
        "2026-01-31T18",
        "2026-01-31T25:00",
        "2026-01-31T18:30:05.",
        "2026-01-31T18:30:05+25:00",
        "2026-01-31T18:30:05+01:75",
        "2026-01-31T18:30:05 Europe/Berlin",
        "1767225600",
    ],
)
def test_what_is_not_a_time_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse(text)


def test_an_offset_is_converted_to_the_clock_of_the_column() -> None:
    assert parse("2026-07-01T12:00:00Z", BERLIN) == "2026-07-01T14:00:00.000000000"
    assert parse("2026-01-01T12:00:00Z", BERLIN) == "2026-01-01T13:00:00.000000000"
    assert parse("2026-01-01T12:00:00", BERLIN) == "2026-01-01T12:00:00.000000000"


@given(INSTANTS, SPANS)
def test_minus_is_never_too_late_and_plus_never_too_late_either(at: Instant, span: float) -> None:
    earlier, later = minus(at, span), plus(at, span)
    exact = int(span * 1_000_000) * 1_000
    assert earlier == BEGINNING or nanoseconds(earlier) <= nanoseconds(at) - exact
    assert nanoseconds(later) <= nanoseconds(at) + exact
    assert earlier == BEGINNING or seconds_between(at, earlier) == pytest.approx(span, abs=1e-5)
    assert later == END or seconds_between(later, at) == pytest.approx(span, abs=1e-5)


def test_a_span_in_floating_point_leaves_no_dust_below_the_microsecond() -> None:
    assert minus(instant("2026-01-01T00:00:00.000000000"), 300.1)[26:] == "000"


@pytest.mark.parametrize("seconds", [-1, -1e-9, float("nan")])
def test_a_span_is_not_negative(seconds: float) -> None:
    with pytest.raises(ValueError, match="span"):
        minus(END, seconds)
    with pytest.raises(ValueError, match="span"):
        plus(BEGINNING, seconds)


@given(INSTANTS)
def test_a_datetime_keeps_all_but_the_nanoseconds(at: Instant) -> None:
    assert from_datetime(to_datetime(at)) == at[:26] + "000"


def test_an_aware_datetime_becomes_utc() -> None:
    moment = datetime(2026, 7, 1, 12, 0, 0, 5, tzinfo=BERLIN)
    assert from_datetime(moment) == "2026-07-01T10:00:00.000005000"


@given(INSTANTS, st.integers(0, 9))
def test_rendering_cuts_digits_and_never_rounds(at: Instant, digits: int) -> None:
    text = render(at, digits, "Z")
    assert text[:-1] == at[: len(text) - 1]
    assert len(text) - 1 == (20 + digits if digits else 19)


def test_rendering_names_the_offset_of_the_zone() -> None:
    assert render_offset(parse("2026-07-01T12:00"), BERLIN, 0) == "2026-07-01T12:00:00+02:00"
    assert render_offset(parse("2026-01-01T12:00"), BERLIN, 3) == "2026-01-01T12:00:00.000+01:00"
    twice = parse("2026-10-25T02:30")
    assert render_offset(twice, BERLIN, 0) == "2026-10-25T02:30:00+02:00"


@given(THIS_CENTURY, st.integers(0, 4 * 86_400), ZONES)
def test_no_clock_ever_shows_less_than_the_earliest_reading(
    moment: datetime, seconds: int, zone: ZoneInfo
) -> None:
    later = (moment + timedelta(seconds=seconds)).replace(tzinfo=UTC).astimezone(zone)
    assert from_datetime(later.replace(tzinfo=None)) >= earliest_local(from_datetime(moment), zone)


@given(THIS_CENTURY, ZONES)
def test_the_earliest_reading_is_no_more_than_the_fold_below_the_clock(
    moment: datetime, zone: ZoneInfo
) -> None:
    local = moment.replace(tzinfo=UTC).astimezone(zone)
    shown = from_datetime(local.replace(tzinfo=None))
    is_unambiguous = local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset()
    below = seconds_between(shown, earliest_local(from_datetime(moment), zone))
    assert 0 <= below <= (0 if is_unambiguous else 3_600)


@pytest.mark.parametrize(
    ("utc", "local"),
    [
        ("2026-10-24T23:59:59", "2026-10-25T01:59:59"),  # still unambiguous
        ("2026-10-25T00:00:00", "2026-10-25T01:00:00"),  # 02:00 for the first time
        ("2026-10-25T00:59:59", "2026-10-25T01:59:59"),  # 02:59:59 for the first time
        ("2026-10-25T01:00:00", "2026-10-25T02:00:00"),  # 02:00 for the second time
        ("2026-03-29T00:59:59", "2026-03-29T01:59:59"),  # before the hour that does not exist
        ("2026-03-29T01:00:00", "2026-03-29T03:00:00"),
    ],
)
def test_the_bound_of_a_berlin_clock_over_a_change(utc: str, local: str) -> None:
    assert earliest_local(parse(utc), BERLIN) == parse(local)


@pytest.mark.parametrize("at", [BEGINNING, END])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_the_edges_of_time_have_a_bound_in_every_zone(at: Instant, zone: str) -> None:
    assert instant(earliest_local(at, ZoneInfo(zone)))
