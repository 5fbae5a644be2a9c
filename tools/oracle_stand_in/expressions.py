"""The few expressions around a column that the tap puts into its select lists.

Each gives a result column and a function from the stored value to the selected one. A format mask
with elements that the column's type does not have is an error, as it is in Oracle (ORA-01821).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tools.oracle_stand_in.columns import Column
from tools.oracle_stand_in.database import in_utc
from tools.oracle_stand_in.faults import OracleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.oracle_stand_in.database import Row, Table

_SERIALIZED = {("JSON", None), ("BLOB", "OSON")}
_COLUMN = r't\.(?P<column>"[^"]+")'
_MASK = re.compile(
    r'YYYY-MM-DD"T"HH24:MI:SS(?:\.FF(?P<digits>\d))?(?:"(?P<literal>.*?)")?(?P<zone>TZH:TZM)?'
)
_ITEM = re.compile(r'(?P<expression>.+?)(?: "(?P<alias>[^"]+)")?')


class Item(NamedTuple):
    """One item of a select list."""

    column: Column
    place: int
    value: Callable[[object], object]


def select_list(text: str, table: Table) -> tuple[tuple[Column, ...], Callable[[Row], Row]]:
    """The result columns of a select list, and the function from a stored row to a result row."""
    items = [_item(part, table) for part in _split(text)]
    plan = [(item.place, item.value) for item in items]

    def selected(row: Row) -> Row:
        return tuple([None if row[at] is None else value(row[at]) for at, value in plan])

    return tuple(item.column for item in items), selected


def column_in(expression: str, table: Table) -> Column:
    """The one column of the table that stands in ``expression``."""
    names = set(re.findall(_COLUMN, expression))
    found = [column for column in table.columns if {f'"{column.name}"'} == names]
    if not found:
        raise OracleError(904, f"stand-in: {expression}: invalid identifier")
    return found[0]


def _item(text: str, table: Table) -> Item:
    match = _ITEM.fullmatch(text)
    expression, alias = match.groups() if match else (text, None)
    column = column_in(expression, table)
    declared, value = _form(expression, column)
    result = Column.of(f"{alias or column.name} {declared}") if declared else column
    return Item(result, table.place(column.name), value)


def _form(expression: str, column: Column) -> tuple[str, Callable[[object], object]]:
    """The declared type of the result ("" for the column's own), and the value."""
    bare = re.sub(_COLUMN, "{}", expression)
    if bare == "{}":
        return "", lambda value: value
    if bare == "json_serialize({} returning clob)" and (column.type, column.json) in _SERIALIZED:
        return "CLOB", lambda value: value if isinstance(value, str) else str(value, "utf-8")
    if bare == "xmlserialize(content {} as clob)" and column.type == "XMLTYPE":
        return "CLOB", lambda value: value
    if bare == "to_char({})" and column.type.startswith("INTERVAL"):
        return "VARCHAR2(32)", lambda value: value
    if mask := re.fullmatch(r"to_char\((\{\}|sys_extract_utc\(\{\}\)), '(.*)'\)", bare):
        return "VARCHAR2(40)", _to_char(mask[2], column, in_utc if mask[1] != "{}" else str)
    if of_our_era := re.fullmatch(r"case when \{\} >= date '000\d-\d\d-\d\d' then (.*) end", bare):
        declared, text = _form(of_our_era[1], column)
        return declared, lambda value: None if str(value).startswith("-") else text(value)
    raise OracleError(904, f"stand-in: {expression}")


def _to_char(mask: str, column: Column, before: Callable[[object], str]) -> Callable[[object], str]:
    """The text of a time by ``mask``; a zone is there only before it was brought to UTC."""
    parts = _MASK.fullmatch(mask)
    if parts is None:
        raise OracleError(1821, f"date format not recognized: stand-in: {mask}")
    zoned = column.type == "TIMESTAMP WITH TIME ZONE"
    if (parts["digits"] and column.type == "DATE") or (
        parts["zone"] and (not zoned or before is in_utc)
    ):
        raise OracleError(1821, f"date format not recognized: {mask} for {column.type}")
    if before is in_utc and not zoned:
        raise OracleError(30175, f"invalid type given for an argument: {column.type}")
    length = 20 + int(parts["digits"]) if parts["digits"] else 19
    literal, zone = parts["literal"] or "", bool(parts["zone"])

    def text(value: object) -> str:
        full = before(value)
        return full[:length] + literal + (full[29:] if zone else "")

    return text


def _split(items: str) -> Iterator[str]:
    """The parts between the commas outside parentheses and quotes."""
    depth, part = 0, ""
    for token in re.findall(r"""'(?:[^']|'')*'|"[^"]*"|.""", items):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token == "," and depth == 0:
            yield part.strip()
            part = ""
        else:
            part += token
    yield part.strip()
