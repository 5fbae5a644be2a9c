"""Replication values as message ids have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_nats_jetstream.message import encode
from target_nats_jetstream.verify.values import (
    bucket,
    in_order,
    key_of,
    normal,
    order,
    readings,
    value_of,
)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ('[1,"2026-01-01T07:30:00.000001+00:00"]', "2026-01-01T07:30:00.000001"),
        ('[1,"2026-01-01 07:30:00.123456789+02:00"]', "2026-01-01T05:30:00.123456789"),
        ('[1,"2026-01-01T23:30:00-0130"]', "2026-01-02T01:00:00"),
        ('[1,"2026-01-01T07:30Z"]', "2026-01-01T07:30:00"),
        ('[1,"2026-13-01T07:30:00+01:00"]', "2026-13-01T07:30:00+01:00"),
        ('[1,"2026-01-01"]', "2026-01-01"),
        ("[1,17]", "17"),
        ('["a,b",1.50]', "1.50"),
        (r'["a","x\"y"]', 'x"y'),
        (r'["a\"b","y"]', "y"),
        ("0123456789abcdef0123456789abcdef", None),
        ("[]", None),
        ("[1,", None),
    ],
)
def test_the_value_is_the_last_of_the_key(key: str, value: str | None) -> None:
    assert (value_of(key) and normal(value_of(key) or "")) == value


@given(st.lists(st.one_of(st.text(), st.integers(), st.booleans()), min_size=1), st.text())
def test_the_value_of_any_key_is_found(keys: list[object], value: str) -> None:
    written = encode([*keys, value]).decode()  # type: ignore[arg-type]
    assert value_of(written) == value
    assert key_of(written).count(",") >= len(keys) - 1


@pytest.mark.parametrize(
    ("text", "hours"),
    [("2026-01-01T07:30:00+02:00", ["05", "07"]), ("2026-01-01T07:30:00-05:00", ["12", "07"])],
)
def test_a_time_is_read_by_both_clocks(text: str, hours: list[str]) -> None:
    assert [reading[11:13] for reading in readings(text)] == hours


@pytest.mark.parametrize("odd", ["1e99999999999999999999", "-1E+1000000000", "\u0661", "1e", ""])
def test_what_no_number_can_be_is_a_text(odd: str) -> None:
    assert sorted([odd, "2", "1e999999999"], key=order) == ["2", "1e999999999", odd]
    assert bucket("\u0662026-01-01T00:00:00") == ""


def test_values_are_in_the_order_of_their_column() -> None:
    times = [f"2026-01-01T00:00:00{fraction}" for fraction in ("", ".1", ".123456789", ".13", ".2")]
    assert sorted({*times}, key=order) == times
    assert in_order(["10", "9", "-1", "x", "1.5"]) == ["-1", "1.5", "9", "10", "x"]


def test_buckets_are_hours_and_days() -> None:
    assert bucket("2026-01-01T07:30:00.5") == "2026-01-01T07"
    assert bucket("2026-01-01") == "2026-01-01"
    assert [bucket(value) for value in ("17", "x", None)] == ["", "", ""]
