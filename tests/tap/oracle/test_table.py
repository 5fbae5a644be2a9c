"""Which columns are read of a table, and how rows become records; no database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_oracle_txlog.errors import ConfigurationError, DataError
from tap_oracle_txlog.oracle.settings import OracleSettings
from tap_oracle_txlog.oracle.table import Table
from tap_oracle_txlog.oracle.types import OracleColumn
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import Instant
from tap_oracle_txlog.source import TXLOG_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

EVENTS = [
    OracleColumn("ID", "NUMBER", 19, 0, nullable=False),
    OracleColumn("CASE_ID", "VARCHAR2", length=64),
    OracleColumn("EVENT_TYPE", "VARCHAR2", length=64),
    OracleColumn("EVENT_DATA", "CLOB"),
    OracleColumn("EVENT_TIMESTAMP", "TIMESTAMP(6)", scale=6),
    OracleColumn("CREATED_AT", "TIMESTAMP(6)", scale=6),
]
SHAPE = OracleColumn("SHAPE", "SDO_GEOMETRY")


def table(
    described: Sequence[OracleColumn],
    selected: Collection[str] | None = None,
    **config: Any,  # noqa: ANN401 - any setting
) -> Table:
    login = {"user": "u", "password": "p", "dsn": "db/X"}
    settings = OracleSettings.from_config(login | config)
    return Table.of(settings, settings.table_name, described, selected)


def replaced(column: OracleColumn) -> list[OracleColumn]:
    return [column if one.name == column.name else one for one in EVENTS]


def names(of: Table) -> list[str]:
    return [column.name for column in of.columns]


def test_the_event_table_has_the_schema_that_is_known_without_a_database() -> None:
    assert list(table(EVENTS).columns) == [
        type(column)(
            column.name, {**column.json_schema, "type": list_of(column.json_schema["type"])}
        )
        for column in TXLOG_COLUMNS
    ]


def list_of(types: object) -> object:
    return [types] if isinstance(types, str) else types


@pytest.mark.parametrize("name", ["SPC.TXLOG_EVENTS", "APP.LOG"])
def test_of_any_table_all_columns_are_read_in_their_order(name: str) -> None:
    described = [OracleColumn("NOTE", "CLOB"), *EVENTS]
    assert names(table(described, table=name)) == ["NOTE", *names(table(EVENTS))]


def test_the_columns_setting_selects_and_key_and_id_come_along() -> None:
    assert names(table(EVENTS, columns=["case_id"])) == ["ID", "CASE_ID", "EVENT_TIMESTAMP"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"replication_key": "EVENT_TS"}, "has no column EVENT_TS (`replication_key`)"),
        ({"id_column": "EVENT_ID"}, "has no column EVENT_ID (`id_column`)"),
        ({"columns": ["CASEID"]}, "has no column CASEID (`columns`). Did you mean CASE_ID?"),
    ],
)
def test_a_column_that_is_not_there_is_named_beside_those_that_are(
    config: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        table(EVENTS, **config)
    assert message in str(caught.value)
    assert "It has CASE_ID, CREATED_AT, EVENT_DATA" in str(caught.value)


def test_an_event_table_without_one_of_its_columns_is_read_without_it() -> None:
    found = names(table([one for one in EVENTS if one.name != "CREATED_AT"]))
    assert found == [one.name for one in EVENTS if one.name != "CREATED_AT"]


@pytest.mark.parametrize(
    ("column", "types"),
    [
        (OracleColumn("ID", "NUMBER"), ["integer", "null"]),
        (OracleColumn("ID", "VARCHAR2", length=36, nullable=False), ["string"]),
        (OracleColumn("ID", "RAW", length=16, nullable=False), ["string"]),
        (OracleColumn("CASE_ID", "NUMBER", 10, 0), ["integer", "null"]),
        (OracleColumn("EVENT_DATA", "VARCHAR2", length=4000), ["string", "null"]),
        (OracleColumn("EVENT_DATA", "XMLTYPE"), ["string", "null"]),
        (OracleColumn("EVENT_DATA", "BLOB", json="TEXT"), ["string", "null"]),
        (OracleColumn("EVENT_TIMESTAMP", "DATE"), ["string", "null"]),
        (OracleColumn("CREATED_AT", "NUMBER"), ["number", "null"]),
    ],
    ids=lambda value: f"{value.name} {value.declared}" if isinstance(value, OracleColumn) else "",
)
def test_an_event_table_of_other_types_is_read_as_it_is(
    column: OracleColumn, types: list[str]
) -> None:
    found = {one.name: one.json_schema["type"] for one in table(replaced(column)).columns}
    assert found[column.name] == types
    assert list(found) == names(table(EVENTS))


@pytest.mark.parametrize(
    ("setting", "column"),
    [
        ("replication_key", OracleColumn("EVENT_TIMESTAMP", "VARCHAR2", length=30)),
        ("id_column", OracleColumn("ID", "BLOB")),
        ("id_column", OracleColumn("ID", "DATE")),
    ],
    ids=lambda value: value if isinstance(value, str) else value.data_type,
)
def test_key_and_id_must_be_of_a_type_that_orders_rows(setting: str, column: OracleColumn) -> None:
    with pytest.raises(ConfigurationError) as caught:
        table(replaced(column), table="APP.LOG")
    assert f"cannot be the `{setting}`: its type is {column.declared}" in str(caught.value)


def test_a_column_that_nothing_can_read_is_left_out_and_known() -> None:
    made = table([*EVENTS, SHAPE], table="APP.LOG")
    assert made.unsupported == [SHAPE]
    assert "SHAPE" not in str(made.selection.expressions)


def test_only_what_is_selected_is_fetched_but_id_and_key_always_are() -> None:
    made = table(EVENTS, {"EVENT_TYPE", "NOT_THERE"})
    assert names(made) == ["ID", "EVENT_TYPE", "EVENT_TIMESTAMP"]
    assert len(made.selection.expressions) == 3
    assert not any("EVENT_DATA" in one or "CASE_ID" in one for one in made.selection.expressions)


ROW = (7, "C", "T", "{}", "2026-01-01T00:00:00.000000+00:00", None, "2026-01-01T00:00:00.000000000")


def test_a_row_becomes_a_record_of_the_columns_alone() -> None:
    page = table(EVENTS).page([ROW])
    (row,) = page.rows
    assert row.record() == dict(zip([one.name for one in EVENTS], ROW, strict=False))
    assert page.positions == [Position(Instant("2026-01-01T00:00:00.000000000"), 7)]


@pytest.mark.parametrize(("id_", "what"), [(None, "NULL"), (1.5, "a number with a fraction")])
def test_an_id_that_orders_nothing_is_refused(id_: object, what: str) -> None:
    with pytest.raises(DataError, match=f"column ID of SPC.TXLOG_EVENTS holds {what}"):
        table(EVENTS).page([ROW, (id_, *ROW[1:])])
