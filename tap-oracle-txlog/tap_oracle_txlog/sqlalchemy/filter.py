"""The filter as a condition of a statement, and the indexes that can find its rows."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from tap_oracle_txlog import checks
from tap_oracle_txlog.rules.filter import not_a_type, serving
from tap_oracle_txlog.rules.timestamps import Instant, to_datetime
from tap_oracle_txlog.sqlalchemy.reflection import column
from tap_oracle_txlog.sqlalchemy.types import python_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.diagnosis import Finding
    from tap_oracle_txlog.rules.filter import Filter, Kind

_KINDS: Final[Mapping[type, Kind]] = {
    str: "text",
    int: "integer",
    decimal.Decimal: "number",
    dt.datetime: "time",
    dt.date: "date",
}


def where(
    rows: Filter, table: sa.Table, zone: ZoneInfo | None, *, by_storage: bool
) -> sa.ColumnElement[bool]:
    """The condition that the rows of a filter fulfil; values are bound as the columns want them.

    Args:
        rows: The filter.
        table: The table.
        zone: That of times that are stored without one; None for UTC.
        by_storage: Whether the database is SQLite, which keeps a fraction as a float.

    Raises:
        ConfigurationError: A column is not there or cannot be compared, or a value is none of its.
    """
    found = (column(table, name, "filter") for name in rows.wanted)
    conditions = (_condition(rows, one, zone, by_storage) for one in found)
    return sa.and_(sa.true(), *conditions)


def _condition(
    rows: Filter, of: sa.Column[Any], zone: ZoneInfo | None, by_storage: bool
) -> sa.ColumnElement[bool]:
    if (kind := _KINDS.get(python_type(of.type))) is None:
        raise not_a_type(of.name, str(of.type), rows.setting)
    is_aware = bool(getattr(of.type, "timezone", False))
    found = rows.condition(of.name, kind, str(of.type), None if is_aware else zone)
    values: list[object] = list(found.values)
    if kind == "time":
        values = [_time(rows, of, Instant(str(value)), is_aware) for value in found.values]
    elif by_storage:
        values = [_stored(one) for one in found.values]
    one_of = of.in_(values)
    if not found.or_null:
        return one_of
    return one_of | of.is_(None) if values else of.is_(None)


def _stored(value: object) -> object:
    """A value as SQLite keeps it: of whole numbers, those of 64 bits, and a float for others."""
    is_whole = isinstance(value, int) and -(2**63) <= value < 2**63
    return float(value) if isinstance(value, int | decimal.Decimal) and not is_whole else value


def _time(rows: Filter, of: sa.Column[Any], at: Instant, is_aware: bool) -> dt.datetime:
    if not at.endswith("000"):  # no row has it, and it must not be cut to what one has
        what, remedy = "a whole microsecond", "Write up to six digits"
        raise rows.not_a_value(of.name, str(of.type), what, remedy)
    return to_datetime(at).replace(tzinfo=dt.UTC if is_aware else None)


def indexes(table: sa.Table) -> Iterator[tuple[str, list[str], bool]]:
    """Name, columns and uniqueness of each index of the table, those of its keys included."""
    yield "of the primary key", [one.name for one in table.primary_key.columns], True
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            yield str(constraint.name), [one.name for one in constraint.columns], True
    for index in table.indexes:
        yield str(index.name), [one.name for one in index.columns], bool(index.unique)


def access(
    columns: Sequence[str], key: sa.Column[Any], id_: sa.Column[Any], dialect: sa.Dialect
) -> Finding:
    """Whether an index finds rows by one of these columns."""
    table = key.table
    assert isinstance(table, sa.Table)  # noqa: S101 - it was reflected
    firsts = ((name, on[0]) for name, on, _ in indexes(table) if on)
    preparer = dialect.identifier_preparer
    name = preparer.quote(f"IX_{table.name}_{columns[0]}")
    listed = ", ".join(map(preparer.quote, dict.fromkeys((columns[0], key.name, id_.name))))
    create = f"CREATE INDEX {name} ON {preparer.format_table(table)} ({listed});"
    return checks.access(serving(firsts, columns), columns, create)
