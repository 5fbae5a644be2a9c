"""What a filter may say, and which values a column can have; no database."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.rules.filter import MAX_VALUES, Condition, Filter, Kind, serving

SECRET = "C0137-of-a-customer"


def conditions(given: dict[str, Any], kind: Kind) -> list[Condition]:
    rows = Filter.of(given)
    return [rows.condition(column, kind, kind.upper()) for column in rows.wanted]


def refused(given: dict[str, Any], kind: Kind = "text") -> str:
    """The one line for a filter that is none, or does not fit its column."""
    with pytest.raises(ConfigurationError) as caught:
        conditions(given, kind)
    assert caught.value.exit_code == 2
    assert caught.value.setting == "filter"
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({}, "text", "names no column"),
        ({"A": []}, "text", "0 values for A. Set 1 to 1,000"),
        ({"A": list(range(MAX_VALUES + 1))}, "text", "1,001 values"),
        ({"A": {"like": SECRET}}, "text", "neither a text nor a number"),
        ({"A": [[SECRET]]}, "text", "neither a text nor a number"),
        ({"A": True}, "integer", "neither a text nor a number"),
        ({"A": float("nan")}, "number", "neither a text nor a number"),
        ({"A": 137}, "text", "not a text. Put it in quotes"),
        ({"A": f"{SECRET}\0"}, "text", "not a text"),
        ({"A": SECRET * 100}, "text", "not a text of up to 1,000 characters. Shorten it"),
        ({"A": SECRET}, "number", "value for A (NUMBER) that is not a number"),
        ({"A": "1_0"}, "number", "not a number"),
        ({"A": "1e3"}, "number", "not a number"),
        ({"A": "9" * 39}, "number", "up to 38 digits"),
        ({"A": 1.5}, "integer", "not a whole number"),
        ({"A": SECRET}, "time", "not a time. Write it like 2026-01-31T12:00:00Z"),
        ({"A": "2026-02-30"}, "date", "not a date"),
        ({"A": "0A1"}, "hex", "even number of hexadecimal digits"),
    ],
)
def test_what_is_no_filter_is_refused_without_a_value_of_a_row(
    given: dict[str, Any], kind: Kind, words: str
) -> None:
    assert words in refused(given, kind)


@pytest.mark.parametrize("name", ["A\x1b[2J", "A\nB", 'A" = "A" OR 1=1 --', "x" * 500])
def test_a_name_that_is_none_is_shown_in_one_harmless_line(name: str) -> None:
    told = refused({name: []})
    assert told.isprintable()
    assert len(told) < 200


def test_two_spellings_of_a_column_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="names the column CASE_ID twice"):
        Filter.of({"case_id": ["A"], "CASE_ID": ["B"]}, str.upper)


def condition(kind: Kind, *values: object) -> tuple[tuple[object, ...], bool]:
    found = Filter.of({"A": list(values)}).condition("A", kind, kind)
    return found.values, found.or_null


def test_values_are_those_of_the_column_each_once() -> None:
    assert condition("number", 1, "1", "1.0", 2.5, "2.50", None) == ((1, Decimal("2.5")), True)
    assert condition("integer", "007", 8) == ((7, 8), False)
    assert condition("text", "A", "A", "a ") == (("A", "a "), False)
    assert condition("hex", "0a1B") == (("0A1B",), False)
    (at,), _ = condition("time", "2026-01-31T12:00:00+01:00")
    assert at == "2026-01-31T11:00:00.000000000"
    assert Filter.of({"A": "B"}).wanted == Filter.of({"A": ["B"]}).wanted


def test_without_a_filter_nothing_is_left_out() -> None:
    assert not Filter.of(None)
    assert Filter.of({"A": None})


TEXTS = st.text(st.characters(exclude_characters="\0"))
VALUES = st.lists(st.none() | TEXTS | st.integers(), min_size=1, max_size=5)
FILTERS = st.dictionaries(st.text(min_size=1), VALUES, min_size=1, max_size=4)


@given(FILTERS, st.randoms(use_true_random=False))
def test_the_digest_is_that_of_the_rows_and_not_of_how_they_are_named(
    given: dict[str, Any],
    chance: Any,  # noqa: ANN401 - of random
) -> None:
    mixed = list(given.items())
    chance.shuffle(mixed)
    other = {column: chance.sample(values, len(values)) + values[:1] for column, values in mixed}
    assert Filter.of(given).digest("a") == Filter.of(other).digest("a")
    assert Filter.of(given).digest("a") != Filter.of(given).digest("b")


@given(FILTERS, FILTERS)
def test_other_rows_have_another_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    def plain(given: dict[str, Any]) -> dict[str, set[str]]:
        return {
            name: {json.dumps(value if value is None else str(value)) for value in values}
            for name, values in given.items()
        }

    assert (Filter.of(one).digest() == Filter.of(other).digest()) == (plain(one) == plain(other))


def test_the_index_that_serves_begins_with_one_of_the_columns() -> None:
    indexes = [("TAIL", "AT"), ("CASES", "CASE_ID"), ("TYPES", "EVENT_TYPE")]
    assert serving(indexes, ["EVENT_TYPE", "CASE_ID"]) == "CASES"
    assert serving(indexes, ["ID"]) is None
