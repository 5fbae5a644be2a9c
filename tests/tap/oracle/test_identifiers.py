"""Names from the settings can become nothing but names in SQL."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.oracle import statements
from tap_oracle_txlog.oracle.identifiers import TableName, identifier
from tap_oracle_txlog.oracle.statements import Selection
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING


@pytest.mark.parametrize(
    ("text", "owner", "name"),
    [
        ("spc.txlog_events", "SPC", "TXLOG_EVENTS"),
        (" SPC.TXLOG_EVENTS ", "SPC", "TXLOG_EVENTS"),
        ("txlog_events", None, "TXLOG_EVENTS"),
        ('spc."Events"', "SPC", "Events"),
        ('"my schema"."a.b"', "my schema", "a.b"),
        ("größe$#_1", None, "GRÖSSE$#_1"),
    ],
)
def test_a_table_is_named_as_oracle_would_store_it(text: str, owner: str | None, name: str) -> None:
    assert TableName.parse(text) == TableName(owner, name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        '""',
        "a b",
        "1a",
        "a;b",
        '"a;b"',
        'a"b',
        '"a"b"',
        '"a\0b"',
        '"a\nb"',
        "t@link",
        "a.b.c",
        ".a",
        "a.",
        "x" * 129,
        '"' + "ü" * 65 + '"',
        "t--",
        "t/**/",
        "'t'",
        ":t",
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="setting `table`"):
        TableName.parse(text)


def test_a_refused_column_names_its_setting() -> None:
    with pytest.raises(ConfigurationError, match="setting `columns`") as caught:
        identifier('ID", PASSWORD', setting="columns")
    assert caught.value.exit_code == 2


def _without_names(sql: str) -> str:
    return re.sub(r'"[^"]*"', '"name"', sql)


def _page(table: TableName, column: str) -> str:
    selection = Selection(table, (statements.column(column),), column, "TIMESTAMP", column)
    return statements.page(selection, Position(BEGINNING, 1), 10).text


HOSTILE = st.one_of(
    st.text(max_size=150),
    st.text(alphabet="ab.\"';-/* :@\0\n", max_size=30),
    st.text(alphabet="ab;- '.", max_size=20).map(lambda text: f'"{text}"'),
)


@settings(max_examples=300)
@given(text=HOSTILE)
@example(text='"x" WHERE 1=1 --"')
@example(text='x" UNION SELECT * FROM DUAL --')
def test_no_name_changes_the_statement_around_it(text: str) -> None:
    try:
        name = identifier(text, setting="id_column")
    except ConfigurationError:
        return
    plain = _page(TableName("SPC", "T"), "ID")
    assert _without_names(_page(TableName(None, name), name)) == _without_names(
        plain.replace('"SPC".', "")
    )
    assert _without_names(_page(TableName(name, name), name)) == _without_names(plain)
    assert len(name.encode()) <= 128
