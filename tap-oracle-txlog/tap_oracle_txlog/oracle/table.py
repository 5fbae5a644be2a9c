"""What is read of a table: which columns, in which form, and how its rows become records.

Made from the settings and from what the dictionary says; a `Table` that exists can be read. No
statement is executed here.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import oracledb

from tap_oracle_txlog.errors import ConfigurationError, DataError
from tap_oracle_txlog.oracle.filter import where
from tap_oracle_txlog.oracle.statements import KEY_FORMS, Selection, Where
from tap_oracle_txlog.oracle.types import (
    INTEGER,
    Conversion,
    OracleColumn,
    conversion,
    json_schema,
    select_expression,
)
from tap_oracle_txlog.row import Row, row_type
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING
from tap_oracle_txlog.source import Column, Page

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from tap_oracle_txlog.oracle.identifiers import TableName
    from tap_oracle_txlog.oracle.settings import OracleSettings

ID_TYPES = {"NUMBER", "CHAR", "NCHAR", "VARCHAR2", "NVARCHAR2", "RAW"}


@dataclass(frozen=True, slots=True)
class Table:
    """The selected columns, and those that were left out because nothing can read their type."""

    selection: Selection
    columns: Sequence[Column]
    unsupported: Sequence[OracleColumn]
    conversions: Mapping[str, Conversion]
    row: type[Row]

    @classmethod
    def of(
        cls,
        settings: OracleSettings,
        name: TableName,
        described: Sequence[OracleColumn],
        selected: Collection[str] | None = None,
    ) -> Table:
        """The table as the settings want it.

        Args:
            settings: Which columns are read, and which of them is what.
            name: The table itself, where the settings name a synonym.
            described: Its columns.
            selected: Those of them that are wanted, if given.

        Raises:
            ConfigurationError: A column is not there, or cannot be what it is to be.
        """
        names, wanted = settings.names, _wanted(settings, described)
        key = _one_of(KEY_FORMS, wanted[names.replication_key], "replication_key", settings)
        id_ = _one_of(ID_TYPES, wanted[names.id_column], "id_column", settings)
        rows = _rows(settings, described)
        if selected is not None:
            kept = {*selected, key.name, id_.name}
            wanted = {name: column for name, column in wanted.items() if name in kept}
        conversions = {
            column.name: how
            for column in wanted.values()
            if (how := conversion(column, settings.zone)) is not None
        }
        if id_.kind == "NUMBER" and id_.scale is None:
            # faster than an exact number; `ids` sees to the rest
            conversions[id_.name] = Conversion("{}", INTEGER)
        read = [column for column in wanted.values() if column.name in conversions]
        expressions = tuple(select_expression(column, conversions[column.name]) for column in read)
        columns = [
            Column(column.name, json_schema(column, conversions[column.name])) for column in read
        ]
        return cls(
            Selection(name, expressions, key.name, key.kind, id_.name, id_.kind, rows),
            columns,
            [column for column in wanted.values() if column.name not in conversions],
            conversions,
            row_type(list(conversions)),
        )

    def output_type(self, cursor: oracledb.Cursor, metadata: oracledb.FetchInfo) -> Any:  # noqa: ANN401  # the driver's protocol
        """How the driver is to fetch a column; it decides itself where this is None."""
        how = self.conversions.get(metadata.name)
        if how is None or (how.fetch_as is None and how.convert is None):
            return None
        if how.fetch_as is not None:
            kind, size = getattr(oracledb, how.fetch_as), 0
        else:
            kind, size = metadata.type_code, metadata.internal_size or 0
        return cursor.var(
            kind,
            size,
            arraysize=cursor.arraysize,
            outconverter=how.convert,  # type: ignore[arg-type]  # None is its default
        )

    def page(self, fetched: Sequence[tuple[Any, ...]], is_cut: bool = False) -> Page:
        """The rows, and their positions by their ids and the text of the key, which comes last.

        Raises:
            DataError: An id is NULL, or a number with a fraction: rows cannot be ordered by it.
        """
        if not fetched:
            return Page([], [])
        *columns, keys = zip(*fetched, strict=True)
        ids = columns[list(self.conversions).index(self.selection.id)]
        return Page(self._places(keys, ids), list(map(self.row, *columns)), is_cut)

    def positions(self, fetched: Sequence[tuple[Any, ...]]) -> Sequence[Position]:
        """The positions of rows of which only id and key were selected."""
        if not fetched:
            return []
        ids, keys = zip(*fetched, strict=True)
        return self._places(keys, ids)

    def _places(self, keys: Sequence[Any], ids: Sequence[Any]) -> Sequence[Position]:
        if not set(map(type, ids)) <= {int, str}:
            what = "NULL" if None in ids else "a number with a fraction"
            reason = f"column {self.selection.id} of {self.selection.table.label} holds {what}"
            raise DataError(reason, "Set `id_column` to a column that is unique and never NULL")
        return Position.of_rows((key or BEGINNING for key in keys), ids)


def _wanted(settings: OracleSettings, described: Sequence[OracleColumn]) -> dict[str, OracleColumn]:
    """The columns to read, in table order; key and id are always among them."""
    there = {column.name: column for column in described}
    names = settings.names
    wanted = dict.fromkeys(names.columns or there, "columns")
    wanted |= {names.replication_key: "replication_key", names.id_column: "id_column"}
    for name, setting in wanted.items():
        if name not in there:
            raise _missing(name, setting, settings, there)
    return {name: column for name, column in there.items() if name in wanted}


def _rows(settings: OracleSettings, described: Sequence[OracleColumn]) -> Where:
    """Which rows to read."""
    there = {column.name: column for column in described}
    for name in settings.row_filter.wanted:
        if name not in there:
            raise _missing(name, "filter", settings, there)
    return where(settings.row_filter, there, settings.zone)


def _missing(
    name: str, setting: str, settings: OracleSettings, there: Iterable[str]
) -> ConfigurationError:
    near = difflib.get_close_matches(name, there, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    known = ", ".join(sorted(there))
    reason = f"{settings.table_name.label} at {settings.where} has no column {name} (`{setting}`)"
    return ConfigurationError(reason, f"{hint}It has {known:.500}")


def _one_of(
    kinds: Iterable[str], column: OracleColumn, setting: str, settings: OracleSettings
) -> OracleColumn:
    if column.kind not in kinds:
        reason = (
            f"column {column.name} of {settings.table_name.label} cannot be the `{setting}`: its"
            f" type is {column.declared}"
        )
        raise ConfigurationError(reason, f"Choose one of {', '.join(sorted(kinds))}")
    return column
