"""Every value that the stand-in can send or receive comes through the real driver as it is."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import oracledb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.oracle_stand_in import values, wire
from tools.oracle_stand_in.columns import Column
from tools.oracle_stand_in.messages import (
    ROW,
    ROW_HEADER,
    Bind,
    bind_names,
    describe,
    end,
    normalised,
)
from tools.oracle_stand_in.server import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBERS = st.builds(
    lambda sign, digits, exponent: Decimal((sign, tuple(map(int, str(digits))), exponent)),
    st.integers(0, 1),
    st.integers(0, 10**38 - 1),
    st.integers(-125, 86),
)
STORED = "2025-06-07T08:09:10.654321000"
READ = datetime(2025, 6, 7, 8, 9, 10, 654321)  # noqa: DTZ001 - the driver gives naive times
TYPES: list[tuple[str, object, object]] = [
    ("NUMBER(19)", 1234567890123456789, 1234567890123456789),
    ("NUMBER(19)", -1, -1),
    ("NUMBER", Decimal("1.5"), Decimal("1.5")),
    ("NUMBER(10,2)", Decimal("-123.45"), Decimal("-123.45")),
    ("FLOAT", Decimal("0.001"), Decimal("0.001")),
    ("BINARY_FLOAT", -2.25, -2.25),
    ("BINARY_DOUBLE", 1e300, 1e300),
    ("BOOLEAN", True, True),
    ("BOOLEAN", False, False),
    ("VARCHAR2(64)", "häßlich", "häßlich"),
    ("VARCHAR2(4000)", "ä" * 4000, "ä" * 4000),
    ("CHAR(5)", "ab   ", "ab   "),
    ("NVARCHAR2(10)", "日本", "日本"),
    ("NCHAR(3)", "日  ", "日  "),
    ("RAW(16)", b"\0\1\xff", b"\0\1\xff"),
    ("DATE", STORED, READ.replace(microsecond=0)),
    ("TIMESTAMP(0)", STORED[:20] + "000000000", READ.replace(microsecond=0)),
    ("TIMESTAMP(6)", STORED, READ),
    ("TIMESTAMP(9)", STORED[:-3] + "987", READ),
    ("TIMESTAMP(6) WITH LOCAL TIME ZONE", STORED, READ),
    ("CLOB", "ä€𝄞", "ä€𝄞"),
    ("CLOB", "ä" * 40_000, "ä" * 40_000),
    ("NCLOB", "日" * 40_000, "日" * 40_000),
    ("BLOB", b"\0\xff" * 40_000, b"\0\xff" * 40_000),
]


@pytest.fixture
def cursor(oracle: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[oracledb.Cursor]:
    monkeypatch.setattr(oracledb.defaults, "fetch_lobs", False)
    monkeypatch.setattr(oracledb.defaults, "fetch_decimals", True)
    with (
        oracledb.connect(user=oracle.user, password=oracle.password, dsn=oracle.dsn) as connection,
        connection.cursor() as cursor,
    ):
        yield cursor


@given(NUMBERS)
def test_a_number_image_is_read_back_as_the_same_number(value: Decimal) -> None:
    image = values.number(value)
    assert values.number_from(image) == value
    assert len(image) <= 21


@pytest.mark.parametrize(
    ("value", "image"),
    [
        ("0", "80"),
        ("1", "c102"),
        ("100", "c202"),
        ("1.1", "c1020b"),
        ("0.001", "bf0b"),
        ("-1", "3e6466"),
        ("-123.45", "3d644e3866"),
        ("1234567890123456789", "ca02182e445a02182e445a"),
    ],
)
def test_number_images_are_those_of_oracle(value: str, image: str) -> None:
    assert values.number(Decimal(value)).hex() == image


@given(st.lists(NUMBERS, min_size=1, max_size=20))
@settings(max_examples=25)
def test_numbers_pass_the_driver_both_ways(numbers: list[Decimal]) -> None:
    with StandIn() as oracle:
        sql = "select " + ", ".join(f":{place}" for place in range(len(numbers))) + " from dual"
        oracle.answer(sql, [f"N{at} NUMBER" for at in range(len(numbers))], [tuple(numbers)])
        with oracledb.connect(user="tap", password=oracle.password, dsn=oracle.dsn) as connection:
            cursor = connection.cursor()
            cursor.outputtypehandler = lambda c, _: c.var(Decimal, arraysize=c.arraysize)
            assert cursor.execute(sql, numbers).fetchall() == [tuple(numbers)]
    assert [bind.value for bind in oracle.calls[0].binds] == numbers


@given(st.integers(0, 2**64 - 1), st.binary(max_size=100_000))
@settings(max_examples=50)
def test_integers_and_bytes_are_read_as_written(number: int, data: bytes) -> None:
    reader = wire.Reader(wire.ub(number) + wire.lv(data) + wire.llv(data), lambda: b"")
    assert reader.ub() == number
    assert (reader.lv() or b"", reader.llv()) == (data, data)
    assert reader.exhausted


@given(st.binary(min_size=1, max_size=300), st.integers(1, 50))
def test_a_field_may_run_over_any_number_of_packets(data: bytes, size: int) -> None:
    packets = iter(wire.lv(data)[at : at + size] for at in range(0, len(data) + 1, size))
    whole = wire.Reader(b"", lambda: next(packets))
    assert whole.take(1) + whole.take(len(data)) == wire.lv(data)[: len(data) + 1]


@pytest.mark.parametrize(("declared", "stored", "read"), TYPES)
def test_a_value_of_each_type_and_null_arrive_unharmed(
    oracle: StandIn, cursor: oracledb.Cursor, declared: str, stored: object, read: object
) -> None:
    rows = [(stored, 1), (None, 2), (stored, 3)]
    oracle.answer("select v, n from t", [f"V {declared}", "N NUMBER(5)"], rows)
    for _ in range(2):  # the second time without a parse
        assert cursor.execute("select v, n from t").fetchall() == [
            (read if value is not None else None, n) for value, n in rows
        ]


def test_a_described_column_tells_the_driver_all_it_declares(
    oracle: StandIn, cursor: oracledb.Cursor
) -> None:
    declared = ["ID NUMBER(19) NOT NULL", "T VARCHAR2(64)", "AT TIMESTAMP(9)", "P NUMBER(10,2)"]
    oracle.answer("select * from t", declared, [])
    cursor.execute("select * from t")
    told = [
        (of.name, of.type_code, of.display_size, of.precision, of.scale, of.null_ok)
        for of in cursor.description or []
    ]
    assert told == [
        ("ID", oracledb.DB_TYPE_NUMBER, 20, 19, 0, False),
        ("T", oracledb.DB_TYPE_VARCHAR, 64, None, None, True),
        ("AT", oracledb.DB_TYPE_TIMESTAMP, 23, 0, 9, True),
        ("P", oracledb.DB_TYPE_NUMBER, 14, 10, 2, True),
    ]


def test_the_answer_to_the_simplest_query_is_the_reference_byte_for_byte() -> None:
    answer = (
        describe([Column.of("1 NUMBER")])
        + ROW_HEADER
        + ROW
        + wire.lv(values.number(1))
        + end(1, 1, 1403, "ORA-01403: no data found")
    )
    assert (
        answer.hex()
        == (
            "100000010100"
            "020000810116000000000000000001000101013100000000"
            "000000000000"
            "0600000000000000"
            "0702c102"
            "0400000002057b0000010100" + "00" * 20 + "02057b0101"
            "18"
        )
        + b"ORA-01403: no data found".hex()
    )


@pytest.mark.parametrize(
    ("value", "size", "bind"),
    [
        (7, None, (2, 7)),
        (Decimal("1.25"), None, (2, Decimal("1.25"))),
        ("text", None, (1, "text")),
        ("ä" * 5000, None, (1, "ä" * 5000)),
        (None, None, (1, None)),
        ("", None, (1, None)),
        (b"\0\1", None, (23, b"\0\1")),
        (True, None, (3, 1)),
        (READ, None, (12, "2025-06-07T08:09:10.000000000")),  # the driver cuts the fraction
        (date(2025, 6, 7), None, (12, "2025-06-07T00:00:00.000000000")),
        (READ, oracledb.DB_TYPE_TIMESTAMP, (180, STORED)),
    ],
)
def test_a_bind_arrives_with_the_type_code_that_the_driver_chose(
    oracle: StandIn, cursor: oracledb.Cursor, value: object, size: object, bind: tuple[int, object]
) -> None:
    oracle.answer("select :x from dual", ["X NUMBER"], [(1,)])
    if size is not None:
        cursor.setinputsizes(x=size)
    cursor.execute("select :x from dual", x=value)
    assert oracle.calls[0].binds == (Bind("x", *bind),)


def test_the_same_text_again_with_longer_binds_keeps_its_cursor(
    oracle: StandIn, cursor: oracledb.Cursor
) -> None:
    sql = "select :a, ':no', :b, :a from dual -- :c"
    oracle.answer(sql, ["X NUMBER"], [(1,)])
    for a, b in (("x", 1), ("y", 2), ("z" * 9000, 3), ("z", None)):
        assert cursor.execute(sql, a=a, b=b).fetchall() == [(1,)]
    sent = [[bind.value for bind in call.binds] for call in oracle.executed("canned")]
    assert sent == [["x", 1, "x"], ["y", 2, "y"], ["z" * 9000, 3, "z" * 9000], ["z", None, "z"]]


def test_texts_are_compared_without_regard_to_space_and_case_outside_quotes() -> None:
    assert normalised("SELECT\n  \"Id\" /* x */ FROM T -- y\n WHERE A = ' B  C';") == (
        "select \"Id\" from t where a = ' B  C'"
    )
    assert bind_names("""select :a, ':b', ":c" /* :d */ from t where x=:a -- :e""") == ["a", "a"]
