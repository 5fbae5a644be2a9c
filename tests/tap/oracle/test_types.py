"""Each Oracle type: its SQL, its schema, and values that are exact."""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.oracle.types import (
    CONVERSIONS,
    OracleColumn,
    base64_text,
    conversion,
    exact_number,
    finite,
    iso_duration,
    json_schema,
    json_value,
    select_expression,
)

ENCODE = msgspec.json.Encoder(decimal_format="number").encode
ISO = 'YYYY-MM-DD"T"HH24:MI:SS'


def of_our_era(mask: str, since: str = "0001-01-01") -> str:
    return f"CASE WHEN X >= DATE '{since}' THEN TO_CHAR(X, '{mask}') END"


# type as the dictionary has it, precision, scale; expression around X; JSON types; fetched as
TYPES = [
    ("NUMBER", 18, 0, "X", ["integer"], None),
    ("NUMBER", 38, 0, "X", ["integer"], None),
    ("NUMBER", None, 0, "X", ["integer"], None),
    ("NUMBER", 5, -2, "X", ["integer"], "DB_TYPE_VARCHAR"),
    ("NUMBER", 10, 2, "X", ["number"], "DB_TYPE_VARCHAR"),
    ("NUMBER", None, None, "X", ["number"], "DB_TYPE_VARCHAR"),
    ("FLOAT", 126, None, "X", ["number"], "DB_TYPE_VARCHAR"),
    ("BINARY_FLOAT", None, None, "X", ["number"], None),
    ("BINARY_DOUBLE", None, None, "X", ["number"], None),
    ("BOOLEAN", None, None, "X", ["boolean"], None),
    ("CHAR", None, None, "X", ["string"], None),
    ("NCHAR", None, None, "X", ["string"], None),
    ("VARCHAR2", None, None, "X", ["string"], None),
    ("NVARCHAR2", None, None, "X", ["string"], None),
    ("CLOB", None, None, "X", ["string"], "DB_TYPE_LONG"),
    ("NCLOB", None, None, "X", ["string"], "DB_TYPE_LONG_NVARCHAR"),
    ("RAW", None, None, "X", ["string"], None),
    ("BLOB", None, None, "X", ["string"], "DB_TYPE_LONG_RAW"),
    ("XMLTYPE", None, None, "XMLSERIALIZE(CONTENT X AS CLOB)", ["string"], "DB_TYPE_LONG"),
    (
        "JSON",
        None,
        None,
        "JSON_SERIALIZE(X RETURNING CLOB)",
        ["object", "array", "string", "number", "boolean"],
        "DB_TYPE_LONG",
    ),
    ("DATE", None, None, of_our_era(f'{ISO}"+00:00"'), ["string"], None),
    ("TIMESTAMP(0)", None, 0, of_our_era(f'{ISO}"+00:00"'), ["string"], None),
    ("TIMESTAMP(3)", None, 3, of_our_era(f'{ISO}.FF3"+00:00"'), ["string"], None),
    ("TIMESTAMP(6)", None, 6, of_our_era(f'{ISO}.FF6"+00:00"'), ["string"], None),
    ("TIMESTAMP(9)", None, 9, of_our_era(f'{ISO}.FF9"+00:00"'), ["string"], None),
    (
        "TIMESTAMP(9) WITH TIME ZONE",
        None,
        9,
        of_our_era(f"{ISO}.FF9TZH:TZM", "0001-01-02"),
        ["string"],
        None,
    ),
    (
        "TIMESTAMP(6) WITH LOCAL TIME ZONE",
        None,
        6,
        of_our_era(f'{ISO}.FF6"+00:00"'),
        ["string"],
        None,
    ),
    ("INTERVAL DAY(2) TO SECOND(6)", 2, 6, "TO_CHAR(X)", ["string"], None),
    ("INTERVAL YEAR(2) TO MONTH", 2, 0, "TO_CHAR(X)", ["string"], None),
]


@pytest.mark.parametrize(("kind", "precision", "scale", "expression", "types", "fetch_as"), TYPES)
def test_each_type_is_selected_described_and_fetched_as_promised(
    kind: str,
    precision: int | None,
    scale: int | None,
    expression: str,
    types: list[str],
    fetch_as: str | None,
) -> None:
    column = OracleColumn("C", kind, precision, scale)
    how = conversion(column)
    assert how is not None
    assert how.expression.format("X") == expression
    assert how.fetch_as == fetch_as
    assert json_schema(column, how)["type"] == [*types, "null"]
    expected = re.sub(r"\bX\b", 't."C"', expression) + ("" if expression == "X" else ' "C"')
    assert select_expression(column, how) == expected


def test_the_table_above_covers_every_supported_type() -> None:
    assert {OracleColumn("C", kind).kind for kind, *_ in TYPES} == set(CONVERSIONS)


@pytest.mark.parametrize(
    "kind", ["LONG", "LONG RAW", "BFILE", "ROWID", "VECTOR", "SDO_GEOMETRY", "ANYDATA"]
)
def test_any_other_type_is_not_read(kind: str) -> None:
    assert conversion(OracleColumn("C", kind)) is None


def test_only_a_column_that_is_never_null_is_described_so() -> None:
    key = OracleColumn("ID", "NUMBER", 19, 0, nullable=False)
    ratio = OracleColumn("R", "BINARY_DOUBLE", nullable=False)
    time = OracleColumn("AT", "DATE", nullable=False)  # null before year 1
    for column, types in (
        (key, ["integer"]),
        (ratio, ["number", "null"]),
        (time, ["string", "null"]),
    ):
        how = conversion(column)
        assert how is not None
        assert json_schema(column, how)["type"] == types


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_json_in_a_blob_is_text_in_whichever_encoding_it_is(encoding: str) -> None:
    how = conversion(OracleColumn("C", "BLOB", json="TEXT"))
    assert how is not None
    assert how.convert is not None
    assert how.convert('{"a": "é😀"}'.encode(encoding)) == '{"a": "é😀"}'
    with pytest.raises(UnicodeDecodeError):
        how.convert(b'{"a": "\xff"}')


def test_json_in_the_form_of_the_database_is_serialized_by_it() -> None:
    how = conversion(OracleColumn("C", "BLOB", json="OSON"))
    assert how is not None
    assert how.expression == "JSON_SERIALIZE({} RETURNING CLOB)"


@pytest.mark.parametrize(
    ("zone", "stored", "expected"),
    [
        ("Asia/Kolkata", "1900-01-01T00:00:00", "1899-12-31T18:38:50+00:00"),
        ("Asia/Kolkata", "1900-01-01T00:00:00.123456789", "1899-12-31T18:38:50.123456789+00:00"),
        ("Asia/Kolkata", "0001-01-01T00:00:00", "0001-01-01T00:00:00+05:53"),
        ("Asia/Kolkata", "2026-01-01T00:00:00", "2026-01-01T00:00:00+05:30"),
        ("Europe/Amsterdam", "1930-01-01T12:00:00", "1930-01-01T11:40:28+00:00"),
    ],
)
def test_a_time_before_there_were_zones_is_written_as_rfc_3339_allows(
    zone: str, stored: str, expected: str
) -> None:
    how = conversion(OracleColumn("C", "TIMESTAMP(9)", scale=9), ZoneInfo(zone))
    assert how is not None
    assert how.convert is not None
    assert how.convert(stored) == expected


@given(
    at=st.datetimes(),
    zone=st.sampled_from(["Asia/Kolkata", "Europe/Vienna", "America/New_York", "Africa/Monrovia"]),
)
def test_every_time_of_a_zone_is_valid_rfc_3339_and_the_instant_that_it_was(
    at: datetime, zone: str
) -> None:
    how = conversion(OracleColumn("C", "TIMESTAMP(6)", scale=6), ZoneInfo(zone))
    assert how is not None
    assert how.convert is not None
    text = how.convert(at.isoformat(timespec="microseconds"))
    assert isinstance(text, str)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d", text)
    if 1 < at.year < 9999:
        assert datetime.fromisoformat(text) == at.replace(tzinfo=ZoneInfo(zone))


def test_formats_tell_consumers_what_the_text_is() -> None:
    formats = {}
    for kind in CONVERSIONS:
        how = conversion(OracleColumn("C", kind))
        assert how is not None
        formats[kind] = how.schema.get("format") or how.schema.get("contentEncoding")
    assert {kind for kind, told in formats.items() if told == "date-time"} == {
        "DATE",
        "TIMESTAMP",
        "TIMESTAMP WITH TIME ZONE",
        "TIMESTAMP WITH LOCAL TIME ZONE",
    }
    assert {kind for kind, told in formats.items() if told == "base64"} == {"BLOB"}
    assert {kind for kind, told in formats.items() if told == "base16"} == {"RAW"}
    assert {kind for kind, told in formats.items() if told == "duration"} == {
        "INTERVAL DAY TO SECOND",
        "INTERVAL YEAR TO MONTH",
    }


@pytest.mark.parametrize(
    ("column", "declared"),
    [
        (OracleColumn("C", "NUMBER"), "NUMBER"),
        (OracleColumn("C", "NUMBER", None, 0), "NUMBER(*,0)"),
        (OracleColumn("C", "NUMBER", 10, 2), "NUMBER(10,2)"),
        (OracleColumn("C", "VARCHAR2", length=64), "VARCHAR2(64)"),
        (
            OracleColumn("C", "TIMESTAMP(9) WITH TIME ZONE", scale=9, length=13),
            "TIMESTAMP(9) WITH TIME ZONE",
        ),
        (OracleColumn("C", "CLOB", length=4000), "CLOB"),
    ],
)
def test_messages_show_a_type_as_people_write_it(column: OracleColumn, declared: str) -> None:
    assert column.declared == declared


@given(st.decimals(allow_nan=False, allow_infinity=False, places=20))
def test_no_digit_of_a_number_is_lost_on_the_way_to_json(number: Decimal) -> None:
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    value = exact_number(text)
    assert isinstance(value, (int, Decimal))
    assert value == number
    assert json.loads(ENCODE(value), parse_float=Decimal, parse_int=int) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9007199254740993", 9007199254740993),
        ("-1" + "0" * 39, -(10**39)),
        ("0.1", Decimal("0.1")),
        ("-.5", Decimal("-0.5")),
        ("1E+125", 10**125),
    ],
)
def test_numbers_are_what_their_text_says(text: str, value: int | Decimal) -> None:
    assert exact_number(text) == value


def test_only_finite_numbers_go_into_json() -> None:
    values = [finite(value) for value in (1.5, float("nan"), float("inf"), float("-inf"))]
    assert values == [1.5, None, None, None]


@given(st.binary(max_size=100))
def test_bytes_come_back_from_base64(value: bytes) -> None:
    assert json.loads(ENCODE({"x": value}))["x"] == base64_text(value)


def test_numbers_within_json_stay_exact() -> None:
    value = json_value('{"a": 0.1234567890123456789, "b": [9007199254740993, null, true]}')
    assert value == {"a": Decimal("0.1234567890123456789"), "b": [9007199254740993, None, True]}


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("+02 03:04:05.678000", "P2DT3H4M5.678000S"),
        ("-02 03:04:05", "-P2DT3H4M5S"),
        ("+000000000 00:00:00.000000001", "P0DT0H0M0.000000001S"),
        ("+000000120 10:20:30.000000000", "P120DT10H20M30.000000000S"),
        ("+01-02", "P1Y2M"),
        ("-000000010-11", "-P10Y11M"),
    ],
)
def test_an_interval_is_an_iso_duration(text: str, duration: str) -> None:
    assert iso_duration(text) == duration


def test_a_text_that_is_no_interval_is_refused_without_being_repeated() -> None:
    with pytest.raises(ValueError, match="not the text of an interval"):
        iso_duration("secret")


VIENNA = ZoneInfo("Europe/Vienna")


@pytest.mark.parametrize(
    ("kind", "scale", "text", "expected"),
    [
        ("TIMESTAMP(6)", 6, "2026-07-01T12:00:00.123456", "2026-07-01T12:00:00.123456+02:00"),
        ("TIMESTAMP(9)", 9, "2026-01-01T12:00:00.123456789", "2026-01-01T12:00:00.123456789+01:00"),
        ("DATE", None, "2026-03-29T03:00:00", "2026-03-29T03:00:00+02:00"),
        ("DATE", None, "2026-03-29T01:59:59", "2026-03-29T01:59:59+01:00"),
        ("DATE", None, "2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00"),
        ("TIMESTAMP(3)", 3, "2026-10-25T03:00:00.000", "2026-10-25T03:00:00.000+01:00"),
    ],
)
def test_times_of_a_named_zone_get_its_offset(
    kind: str, scale: int | None, text: str, expected: str
) -> None:
    how = conversion(OracleColumn("C", kind, scale=scale), VIENNA)
    assert how is not None
    assert how.convert is not None
    assert how.convert(text) == expected
    assert "+00:00" not in how.expression


@pytest.mark.parametrize(
    "kind", ["TIMESTAMP(6) WITH TIME ZONE", "TIMESTAMP(6) WITH LOCAL TIME ZONE"]
)
def test_the_zone_of_the_source_does_not_touch_times_that_have_one(kind: str) -> None:
    column = OracleColumn("C", kind, scale=6)
    assert conversion(column, VIENNA) == conversion(column)


@pytest.mark.parametrize("kind", CONVERSIONS)
def test_an_expression_is_only_sql_around_the_column(kind: str) -> None:
    how = conversion(OracleColumn("C", kind))
    assert how is not None
    assert set(re.findall(r"\{.*?\}", how.expression)) in ({"{}"}, {"{0}"})
