"""The conditions of a filter on rows, as the tap writes them; any other text is an error.

A bind must become a value of its column's own type: anything else would convert the column instead,
and lose its index.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tools.oracle_stand_in.database import in_utc
from tools.oracle_stand_in.expressions import column_in
from tools.oracle_stand_in.faults import OracleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.oracle_stand_in.answers import Query
    from tools.oracle_stand_in.columns import Column
    from tools.oracle_stand_in.database import Row, Table

_SECONDS = "'YYYY-MM-DD\"T\"HH24:MI:SS'"
_NANOSECONDS = "'YYYY-MM-DD\"T\"HH24:MI:SS.FF9'"
_ZONED = f"from_tz(to_timestamp({{}}, {_NANOSECONDS}), '+00:00')"
CONVERSIONS: Final = {
    "DATE": (f"to_date({{}}, {_SECONDS})", 19),
    "TIMESTAMP": (f"to_timestamp({{}}, {_NANOSECONDS})", 29),
    "TIMESTAMP WITH TIME ZONE": (_ZONED, 29),
    "TIMESTAMP WITH LOCAL TIME ZONE": (f"cast({_ZONED} as timestamp(9) with local time zone)", 29),
}
"""How a bound text becomes a value of the key's own type, and how long it must be. A value of any
other type would convert the column instead, and lose its index."""

VARCHAR2, NUMBER = 1, 2

_INTO: Final = {
    "CHAR": ("cast({} as char(2000))",),
    "NCHAR": ("cast({} as nchar(1000))",),
    "RAW": ("hextoraw({})",),
    "NUMBER": ("{}", "to_number({})"),
    **{kind: (into,) for kind, (into, _) in CONVERSIONS.items()},
}
_ONE: Final = re.compile(
    r'\(?(?P<name>t\."[^"]+") '
    r"(?:in \((?P<values>.+?)\)(?: or (?P=name) is null\))?|is null)(?= and |$)"
)


def wanted(query: Query, table: Table) -> Callable[[Row], bool]:
    """Whether a row fulfils all conditions in part ``filter``."""
    text = query.part("filter")
    found = list(_ONE.finditer(text))
    if " and ".join(each[0] for each in found) != text:
        raise OracleError(936, f"stand-in: {text}")
    checks = [_check(query, table, each) for each in found]
    return lambda row: all(check(row) for check in checks)


def _check(query: Query, table: Table, found: re.Match[str]) -> Callable[[Row], bool]:
    column = column_in(found["name"], table)
    place = table.place(column.name)
    values = set(_values(query, column, found["values"] or ""))
    with_null = found[0].removesuffix(")").endswith(" is null")
    return lambda row: (
        with_null if row[place] is None else _comparable(column, row[place]) in values
    )


def _values(query: Query, column: Column, text: str) -> Iterator[object]:
    for bind in re.findall(r":(f\d+_\d+)", text):
        forms = [into.format(f":{bind}") for into in _INTO.get(column.type, ("{}",))]
        if not any(form in text for form in forms):
            raise OracleError(932, f"stand-in: {text} converts the {column.type} column")
        is_number = column.type == "NUMBER" and f"to_number(:{bind})" not in text
        value = query.bind(bind, NUMBER if is_number else VARCHAR2)
        yield _comparable(column, value, is_bound=True)


def _comparable(column: Column, value: object, *, is_bound: bool = False) -> object:
    """A value as it is compared: numbers by what they are, times in UTC, CHAR without blanks."""
    if column.type == "NUMBER":
        return Decimal(str(value))
    if column.type in CONVERSIONS:
        return str(value).ljust(20, ".").ljust(29, "0") if is_bound else in_utc(value)
    if column.type == "RAW":
        return str(value) if isinstance(value, str) else bytes(value).hex().upper()  # type: ignore[call-overload]  # it is
    return str(value).rstrip() if column.type in {"CHAR", "NCHAR"} else value
