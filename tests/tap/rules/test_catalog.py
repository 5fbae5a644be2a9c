"""A stored catalog beside the table as it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.rules.catalog import merged

TEXT = {"type": ["string", "null"]}
TIME = {"type": ["string", "null"], "format": "date-time"}
WHOLE = {"type": ["integer", "null"]}


@pytest.mark.parametrize(
    ("table", "stored"),
    [
        (TEXT, TEXT),
        (TIME, TEXT),
        (WHOLE, {"type": ["number", "null"]}),
        (WHOLE, {"type": ["integer", "string", "null"]}),
        ({"type": "integer"}, {"type": ["integer", "null"], "description": "the id"}),
        (TEXT, {"description": "anything"}),
        (TIME, {}),
    ],
)
def test_what_admits_every_value_of_the_column_stays(
    table: dict[str, Any], stored: dict[str, Any]
) -> None:
    assert merged({"C": table}, {"C": stored}) == ({"C": stored}, [])


@pytest.mark.parametrize(
    ("table", "stored", "words"),
    [
        (WHOLE, TEXT, "C is integer, not string"),
        (TEXT, TIME, "C is string, not string (date-time)"),
        (TEXT, {"type": "string"}, "C is string, not string and never null"),
        ({"type": ["number", "null"]}, WHOLE, "C is number, not integer"),
        (
            {"type": ["string"], "contentEncoding": "base16"},
            {"type": ["string"], "contentEncoding": "base64"},
            "C is string (base16) and never null, not string (base64) and never null",
        ),
    ],
)
def test_where_they_contradict_the_table_is_right(
    table: dict[str, Any], stored: dict[str, Any], words: str
) -> None:
    assert merged({"C": table}, {"C": stored}) == ({"C": table}, [words])


def test_columns_that_came_or_went_are_told() -> None:
    assert merged({"NEW": TEXT}, {"OLD": TEXT}) == ({"NEW": TEXT}, ["NEW is new", "OLD is gone"])


PROPERTIES = st.dictionaries(st.sampled_from("ABC"), st.sampled_from([TEXT, TIME, WHOLE, {}]))


@given(PROPERTIES, PROPERTIES)
def test_the_result_names_the_columns_of_the_table_and_differs_from_it_only_silently(
    table: dict[str, Any], stored: dict[str, Any]
) -> None:
    properties, differences = merged(table, stored)
    assert list(properties) == list(table)
    assert {each.split()[0] for each in differences} <= {*table, *stored}
    again, still = merged(table, properties)
    assert (again, still) == (properties, [])
