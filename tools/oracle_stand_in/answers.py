"""The answer to each known statement, from the database in memory.

Handlers get the varying parts of the text, and the binds. They are strict where Oracle is: a bind
of another type, or a text that does not fit its format mask, is an error and not a guess.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import md5
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from tools.oracle_stand_in.columns import Column
from tools.oracle_stand_in.conditions import CONVERSIONS, NUMBER, VARCHAR2, wanted
from tools.oracle_stand_in.database import in_utc
from tools.oracle_stand_in.expressions import column_in, select_list
from tools.oracle_stand_in.faults import OracleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tools.oracle_stand_in.database import Database, Row, Table
    from tools.oracle_stand_in.instance import Instance
    from tools.oracle_stand_in.messages import Bind


class Answer(NamedTuple):
    columns: tuple[Column, ...]
    rows: Iterator[Row]


@dataclass(frozen=True, slots=True)
class Query:
    """One execution of a known text: its varying parts and its binds."""

    instance: Instance
    parts: Mapping[str, str | None]
    binds: tuple[Bind, ...]

    @property
    def database(self) -> Database:
        return self.instance.database

    def part(self, name: str) -> str:
        return self.parts[name] or ""

    def bind(self, name: str, code: int) -> object:
        """The value of a bind, the same wherever its name stands, sent with type ``code``."""
        values = {bind.value for bind in self.binds if (bind.name, bind.code) == (name, code)}
        if len(values) != 1:
            raise OracleError(932, f"stand-in: {name} has no one value of type code {code}")
        return values.pop()

    def column(self, table: Table, name: str) -> Column:
        """The column that stands as ``t."NAME"`` in part ``name``."""
        return column_in(self.part(name), table)

    def table(self) -> Table:
        """The table of part ``table``; ORA-00942 for one that is not there or not granted."""
        owner, _, name = self.part("table").replace('"', "").rpartition(".")
        full = f"{owner or self.instance.user}.{name}"
        self.granted(full)
        if full not in self.database.tables:
            raise OracleError(942, "table or view does not exist")
        return self.database.tables[full]

    def granted(self, *names: str) -> None:
        if self.database.hidden & set(names):
            raise OracleError(942, "table or view does not exist")


def answer(columns: str, *rows: Row) -> Answer:
    """An answer in which columns are declared as in DDL, with commas between."""
    return Answer(tuple(map(Column.of, columns.split(", "))), iter(rows))


# --- the session ----------------------------------------------------------------------------------


def one(_: Query) -> Answer:
    return answer("1 NUMBER", (1,))


def decimal(_: Query) -> Answer:
    return answer("1.1 NUMBER", (Decimal("1.1"),))


def current_schema(query: Query) -> Answer:
    return answer("SCHEMA VARCHAR2(128)", (query.instance.user,))


def no_transaction_id(_: Query) -> None:
    """SQLAlchemy lives with an error here, and takes READ COMMITTED."""
    raise OracleError(6550, "stand-in: no transaction ids")


# --- pages ----------------------------------------------------------------------------------------


def page(query: Query) -> Answer:
    table = query.table()
    return _selected(query, table, _behind(query, table))


def late_page(query: Query) -> Answer:
    """A page without the rows whose ids are in the runs that are bound."""
    table = query.table()
    place = table.place(query.column(table, "order_id").name)
    runs = list(_runs(query))
    rows = _behind(query, table)
    return _selected(query, table, (row for row in rows if not _is_in(row[place], runs)))


def rows_at(query: Query) -> Answer:
    """The rows at the positions that are bound, in order, each once."""
    table = query.table()
    key, id_ = query.column(table, "key"), query.column(table, "order_id")
    conversion, _ = CONVERSIONS[key.type]
    count = query.part("places").count(":key")
    into = "hextoraw(:id{})" if id_.type == "RAW" else ":id{}"
    places = ", ".join(f"({conversion.format(f':key{n}')}, {into.format(n)})" for n in range(count))
    if query.part("places") != places:
        raise OracleError(907, f"stand-in: {query.part('places')}")
    wanted = {
        (_full(query.bind(f"key{n}", VARCHAR2)), _id(query, f"id{n}", id_)) for n in range(count)
    }
    order = table.order(key.name, id_.name)
    least = min(wanted)
    rows = table.scan(key.name, id_.name, lambda position: position >= least)
    return _selected(query, table, (row for row in rows if order(row) in wanted))


def _behind(query: Query, table: Table) -> Iterable[Row]:
    key, id_ = query.column(table, "key"), query.column(table, "order_id")
    at = bound_time(query, key, "after")
    if query.parts["id"] is None:
        rows = table.scan(key.name, id_.name, lambda position: position[0] >= at)
    else:
        after = (at, _bound_id(query, table))
        rows = table.scan(key.name, id_.name, lambda position: position > after)
    if query.parts["until"] is not None:
        until, order = bound_time(query, key, "until"), table.order(key.name, id_.name)
        rows = takewhile(lambda row: order(row)[0] < until, rows)
    return _filtered(query, table, rows)


def _filtered(query: Query, table: Table, rows: Iterable[Row]) -> Iterable[Row]:
    return rows if query.parts["filter"] is None else filter(wanted(query, table), rows)


def digest(query: Query) -> Answer:
    """Number and sum of hashes of the rows between two bound times."""
    table = query.table()
    key, id_ = query.column(table, "key"), query.column(table, "id_text")
    function = "rawtohex" if id_.type == "RAW" else "to_char"
    if query.part("id_text") != f'{function}(t."{id_.name}")':
        raise OracleError(932, f"stand-in: {query.part('id_text')}")
    select_list(f'{query.part("key_text")} "KEY"', table)  # raises where that is no text of it
    since, until = (bound_time(query, key, part) for part in ("after", "until"))
    rows = table.scan(key.name, id_.name, lambda position: position[0] >= since)
    order = table.order(key.name, id_.name)
    found = list(takewhile(lambda at: at[0] < until, map(order, rows)))
    hashes = [
        md5(f"{_id_text(one)}|{at}".encode(), usedforsecurity=False).hexdigest()
        for at, one in found
    ]
    total = sum(int(each[17:], 16) for each in hashes)
    return answer("COUNT NUMBER, SUM VARCHAR2(40)", (len(found), str(total) if found else None))


def _id_text(value: object) -> str:
    return value.hex().upper() if isinstance(value, bytes) else str(value)


_RUN: Final = "(t.{0} BETWEEN :low{1} AND :high{1} AND MOD(t.{0} - :low{1}, :step{1}) = 0)"


def _runs(query: Query) -> Iterator[tuple[int, int, int]]:
    """The runs of ids that are bound; their text must be the one that the index can answer."""
    count = query.part("known").count(" between ")
    name = query.part("order_id").partition(".")[2]
    one = _RUN.lower().replace("t.{0}", f"t.{name}")
    text = " and not ".join(one.replace("{1}", str(n)) for n in range(count))
    if query.part("known") != text:
        raise OracleError(920, f"stand-in: {query.part('known')}")
    for number in range(count):
        bound = [query.bind(f"{part}{number}", NUMBER) for part in ("low", "high", "step")]
        yield tuple(int(str(value)) for value in bound)  # type: ignore[misc]  # three of them


def _is_in(row_id: object, runs: Iterable[tuple[int, int, int]]) -> bool:
    value = int(str(row_id))
    return any(low <= value <= high and (value - low) % step == 0 for low, high, step in runs)


def _id(query: Query, name: str, column: Column) -> object:
    """A bound id as it stands in the table."""
    value = query.bind(name, NUMBER if column.type == "NUMBER" else VARCHAR2)
    return bytes.fromhex(str(value)) if column.type == "RAW" else value


def _full(text: object) -> str:
    """Nine digits for a time that is bound with fewer."""
    return str(text).ljust(20, ".").ljust(29, "0")


def null_key_page(query: Query) -> Answer:
    table = query.table()
    key, id_ = query.column(table, "key"), query.column(table, "order_id")
    rows = table.without_key(key.name, id_.name)
    if query.parts["id"] is not None:
        after, place = _bound_id(query, table), table.place(id_.name)
        rows = [row for row in rows if row[place] > after]
    return _selected(query, table, _filtered(query, table, rows))


def _selected(query: Query, table: Table, rows: Iterable[Row]) -> Answer:
    columns, row = select_list(query.part("items"), table)
    return Answer(columns, map(row, islice(rows, int(query.part("limit")))))


def bound_time(query: Query, key: Column, part: str) -> str:
    """The text bound as ``:after_key`` or ``:until_key``, made a value of the key's type."""
    conversion, length = CONVERSIONS[key.type]
    if query.part(part) != conversion.format(f":{part}_key"):
        raise OracleError(1858, f"stand-in: {query.part(part)} converts the {key.type} column")
    text = str(query.bind(f"{part}_key", VARCHAR2))
    if len(text) != length:
        raise OracleError(1861, "literal does not match format string")
    return text.ljust(20, ".").ljust(29, "0")


def _bound_id(query: Query, table: Table) -> int | str | bytes:
    """The id to read on from; a bind of another type than the column's would convert the column."""
    column = query.column(table, "id")
    value = _id(query, "after_id", column)
    if column != query.column(table, "order_id") or not isinstance(value, int | str | bytes):
        raise OracleError(1722, "stand-in: no id to read on from")
    into = "hextoraw(:after_id)" if column.type == "RAW" else ":after_id"
    if query.part("after_id") != into:
        raise OracleError(932, f"stand-in: {query.part('after_id')} converts the id column")
    return value


# --- the doctor's questions -----------------------------------------------------------------------


def null_key_count(query: Query) -> Answer:
    table = query.table()
    place = table.place(query.column(table, "key").name)
    rows = _filtered(query, table, (row for row in table.rows if row[place] is None))
    count = sum(1 for _ in rows)
    return answer("ROWS NUMBER", (min(count, int(query.part("limit"))),))


def early_key_count(query: Query) -> Answer:
    table = query.table()
    at = table.place(query.column(table, "key").name)
    count = sum(1 for row in table.rows if (row[at] or "").startswith("-"))
    return answer("ROWS NUMBER", (min(count, int(query.part("limit"))),))


def newest_key(query: Query) -> Answer:
    table, text = query.table(), query.part("newest")
    columns, row = select_list(re.sub(r"max\((.*?)\)", r"\1", text), table)
    key = column_in(text, table).name
    newest = deque(table.scan(key, key, lambda _: True), maxlen=1)
    return Answer(columns, iter([row(each) for each in newest] or [(None,)]))


def lateness(query: Query) -> Answer:
    table = query.table()
    key = query.column(table, "key").name
    end, begin = (table.place(query.column(table, name).name) for name in ("end", "begin"))
    newest = deque(table.scan(key, key, lambda _: True), maxlen=int(query.part("limit")))
    distances = [_seconds(row[end]) - _seconds(row[begin]) for row in newest if row[end]]
    row = (len(newest), min(distances, default=None), max(distances, default=None))
    return answer("ROWS NUMBER, SHORTEST NUMBER, LONGEST NUMBER", row)


def _seconds(value: object) -> int:
    return int(datetime.fromisoformat(in_utc(value)[:19] + "+00:00").timestamp())
