"""Making a row fit never says more than is true."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_nats_jetstream.ledger.row import LedgerProgress, StreamProgress
from target_nats_jetstream.ledger.shape import CUT_MARK, ColumnShape, TableShape
from tests.target.ledger.places import at

TIMES = st.datetimes(min_value=at("1000-01-01"), max_value=at("9999-12-30"))
DIGITS = st.integers(0, 6)


def mysql_insert(time: datetime, digits: int) -> datetime:
    """What MySQL makes of a time in DATETIME(digits): rounded half up."""
    grain = 10 ** (6 - digits)
    micros = (time.microsecond + grain // 2) // grain * grain
    return time.replace(microsecond=0) + timedelta(microseconds=micros)


def mariadb_insert(time: datetime, digits: int) -> datetime:
    """What MariaDB makes of it: cut."""
    grain = 10 ** (6 - digits)
    return time.replace(microsecond=time.microsecond // grain * grain)


def test_the_model_of_mysql_rounds_as_its_manual_says() -> None:
    time = at("2018-12-31T23:59:59.999500")
    assert mysql_insert(time, 0) == at("2019-01-01")
    assert mysql_insert(time, 2) == at("2019-01-01")
    assert mysql_insert(time, 4) == time


@given(TIMES, DIGITS)
@example(at("2026-12-31T23:59:59.999999"), 0)
@example(at("2026-01-01T00:00:00.500000"), 0)
def test_no_server_stores_a_later_time_than_the_bookmark(time: datetime, digits: int) -> None:
    fitted = ColumnShape(digits=digits).fit(time)

    assert isinstance(fitted, datetime)
    assert time - timedelta(microseconds=10 ** (6 - digits)) < fitted <= time
    assert mysql_insert(fitted, digits) == mariadb_insert(fitted, digits) == fitted


@given(TIMES, TIMES, DIGITS)
def test_fitting_keeps_the_order_of_times(a: datetime, b: datetime, digits: int) -> None:
    column = ColumnShape(digits=digits)
    first, second = column.fit(min(a, b)), column.fit(max(a, b))

    assert isinstance(first, datetime)
    assert isinstance(second, datetime)
    assert first <= second


@given(st.text(max_size=40), st.integers(4, 30), st.integers(4, 40), st.booleans())
def test_a_text_fits_in_characters_and_in_bytes(
    text: str, characters: int, octets: int, ascii_only: bool
) -> None:
    text = text.encode(errors="ignore").decode()  # lone surrogates are no text
    column = ColumnShape(characters=characters, octets=octets, ascii_only=ascii_only)
    fitted = column.cut(text)

    assert len(fitted) <= characters
    assert len(fitted.encode()) <= octets
    assert not ascii_only or fitted.isascii()
    assert column.cut(fitted) == fitted, "what fits is not changed"


@given(st.text(alphabet="aäß\N{PILE OF POO}", min_size=1, max_size=40), st.integers(4, 30))
def test_a_cut_text_says_so_and_keeps_its_beginning(text: str, octets: int) -> None:
    fitted = ColumnShape(characters=100, octets=octets).cut(text)

    if fitted != text:
        assert fitted.endswith(CUT_MARK)
        assert text.startswith(fitted.removesuffix(CUT_MARK))
        assert len(fitted.encode()) > octets - 4, "not shorter than it has to be"


@pytest.mark.parametrize(
    ("declared", "largest"),
    [
        ("tinyint(4)", 127),
        ("int(11)", 2**31 - 1),
        ("int", 2**31 - 1),
        ("INT UNSIGNED", 2**32 - 1),
        ("int(10) unsigned", 2**32 - 1),
        ("bigint(20)", 2**63 - 1),
        ("bigint unsigned", 2**64 - 1),
        ("decimal(20,0)", None),
    ],
)
def test_a_count_stops_at_what_the_column_declares(declared: str, largest: int | None) -> None:
    column = ColumnShape.of_catalog(declared, None, None, None, None)

    assert column.fit(2**70) == (2**70 if largest is None else largest)
    assert column.fit(5) == 5


def test_columns_that_are_not_there_are_left_out() -> None:
    shape = TableShape({"STATUS": ColumnShape()})

    assert shape.fit({"STATUS": "RUNNING", "SINGER_STATE": "{}"}) == {"STATUS": "RUNNING"}


@given(st.lists(st.text(alphabet="ab:ü", max_size=60), unique=True, max_size=5))
@example(["s" * 60 + "1", "s" * 60 + "2"])
def test_each_stream_has_a_row_name_of_its_own_that_fits(streams: list[str]) -> None:
    shape = TableShape({"PROGRAM_NAME": ColumnShape(characters=30, octets=120)})
    names = [shape.stream_row_name("PROGRAM", stream) for stream in streams]

    assert len(set(names)) == len(streams)
    assert all(len(name) <= 30 and name.startswith("PROGRAM:") for name in names)


def test_a_pipeline_is_as_far_as_its_slowest_stream_that_has_a_time() -> None:
    progress = LedgerProgress(
        {
            "fast": StreamProgress("2026-01-03", 5),
            "slow": StreamProgress("2026-01-02T23:59:59.9", 2),
            "numbered": StreamProgress("4711", 1),
            "whole": StreamProgress(None, 3),
        },
        None,
    )

    assert progress.time == at("2026-01-02T23:59:59.900000")
    assert progress.records == 11


@pytest.mark.parametrize("begun", ["0001-01-01T00:00:00.000000000", "0999-12-31T23:59:59"])
def test_a_stream_of_which_nothing_is_complete_has_no_time_nor_has_its_pipeline(begun: str) -> None:
    streams = {"fast": StreamProgress("2026-01-03", 5), "new": StreamProgress(begun, 2)}

    assert streams["new"].time is None
    assert LedgerProgress(streams, None).time is None
