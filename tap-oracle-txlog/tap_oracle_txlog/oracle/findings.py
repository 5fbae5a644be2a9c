"""What each fact about a database means for a run: facts in, findings out.

Pure functions of what the database has answered (`doctor.py` asks). Nothing is printed here.
"""

from __future__ import annotations

import dataclasses
import math
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from tap_oracle_txlog import checks
from tap_oracle_txlog.diagnosis import Finding, failed, passed, warning
from tap_oracle_txlog.errors import AccessDeniedError, ConfigurationError, DataError
from tap_oracle_txlog.oracle.identifiers import quoted
from tap_oracle_txlog.rules.durations import format_duration
from tap_oracle_txlog.rules.filter import serving
from tap_oracle_txlog.rules.time_check import between_zones
from tap_oracle_txlog.rules.watermark import NotReadable, Oldest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_oracle_txlog.oracle.introduction import Database
    from tap_oracle_txlog.oracle.statements import Selection
    from tap_oracle_txlog.oracle.types import OracleColumn
    from tap_oracle_txlog.reading import ExtractionSettings
    from tap_oracle_txlog.rules.watermark import OpenTransactions

INSERTED: Final = "CREATED_AT"
"""The column that says when a row was inserted, where a table has it."""
NEARLY: Final = 0.8
"""Rows that come later than this part of the window are worth a warning."""
SMALL: Final = 10
"""A table of so many pages may well be read whole."""


def login(database: Database, where: str) -> Finding:
    """Who we are, and where."""
    return passed(
        f"{database.user} at {where}, Oracle {database.version}, {database.role.lower()},"
        f" {database.driver} driver"
    )


def transactions(
    found: OpenTransactions, how: ExtractionSettings, *, one_node: bool, grant: str
) -> Finding:
    """Which strategy is going to be used for late commits, and why."""
    by_look_back = f"late commits by look-back of {how.lookback:g} s"
    if how.strategy == "lookback":
        return passed(f"{by_look_back}, as late_commit_strategy says")
    if isinstance(found, NotReadable):
        if how.strategy == "auto":
            text = f"{found.why}: {by_look_back} instead of watermark"
            return warning(text, found.remedy, _command(found.remedy))
        error = AccessDeniedError if found.right_missing else ConfigurationError
        text = f"{found.why}, but late_commit_strategy is watermark"
        return failed(text, found.remedy, error, _command(found.remedy))
    held = "no transaction is open"
    if isinstance(found, Oldest):
        held = (
            f"the oldest transaction has been open since {found.at[:19]} UTC "
            f"({found.holder or '?'})"
        )
    if one_node:
        text = f"late commits by watermark, but for one node of a cluster only; {held}"
        return warning(text, grant, grant)
    return passed(f"late commits by watermark; {held}")


def columns(read: Iterable[OracleColumn], unsupported: Iterable[OracleColumn]) -> Finding:
    """What is read, and what cannot be."""
    if left_out := _declared(unsupported):
        text = f"{_declared(read)}; left out: {left_out}"
        return warning(text, "To read it, set `table` to a view that converts it")
    return passed(_declared(read))


def unique_id(selection: Selection, keys: Iterable[tuple[str, str, str]]) -> Finding:
    """Whether a key promises that no two rows have the same id."""
    id_ = selection.id
    if [id_] in _by_name((name, column) for name, _, column in keys).values():
        return passed(f"{id_} is a key")
    text = f"no key says that {id_} is unique: a second row with the same time and id stops the run"
    add = f"ALTER TABLE {selection.table.quoted} ADD UNIQUE ({quoted(id_)})"
    return warning(text, add, add)


class IndexedColumn(NamedTuple):
    """A column of an index, as `dictionary.table_indexes` describes it."""

    of: str
    column: str
    expression: str | None
    descend: str
    status: str
    visibility: str
    partitioned: str | None
    alignment: str | None
    unusable: int

    @property
    def name(self) -> str:
        """What is indexed: a descending column is an expression, which is the column."""
        return (self.expression or self.column).strip('"')

    @property
    def is_broken(self) -> bool:
        """Whether the index, or a part of it, has to be rebuilt."""
        return self.status == "UNUSABLE" or bool(self.unusable)

    @property
    def is_usable(self) -> bool:
        """Whether the database may use it at all."""
        return not self.is_broken and self.visibility != "INVISIBLE"


def index(
    selection: Selection, indexes: Iterable[Sequence[str | int | None]], product: str | None
) -> Finding:
    """Whether a page is a range of an index, and what keeps an index from being that."""
    key, id_, table = selection.key, selection.id, selection.table
    firsts = {key, f'SYS_EXTRACT_UTC("{key}")'}  # the latter for a column with a time zone
    flaws = []
    described = [IndexedColumn(*row) for row in indexes]  # type: ignore[arg-type]  # as they come
    for name, group in groupby(described, key=lambda each: each.of):
        on = list(group)
        if on[0].name not in firsts or [each.name for each in on[1:2]] != [id_]:
            continue
        if not (flaw := _flaw(on)):
            return passed(f"{name} is on ({key}, {id_})")
        flaws.append(f"{name} on ({key}, {id_}) is {flaw}")
    name = dataclasses.replace(table, name=f"IX_{table.name[:100]}_TAIL").quoted
    what = "; ".join(flaws) or f"no index on ({key}, {id_})"
    create = (
        f"CREATE INDEX {name} ON {table.quoted} ({quoted(key)}, {quoted(id_)}){_online(product)}"
    )
    return warning(f"{what}: each page reads and sorts the whole table", create, create)


def _online(product: str | None) -> str:
    return " ONLINE" if "Enterprise" in (product or "") else ""


def _flaw(on: Sequence[IndexedColumn]) -> str:
    """What keeps an index on key and id from giving pages in order; empty for nothing."""
    first, second = on[:2]
    if first.is_broken:
        return "UNUSABLE: rebuild it"
    if first.visibility == "INVISIBLE":
        return "INVISIBLE"
    if first.descend != second.descend:
        return "descending in only one of the columns"
    if first.partitioned and (first.partitioned, first.alignment) != ("RANGE", "PREFIXED"):
        return f"partitioned other than by ranges of {first.name}, so its rows are in no order"
    return ""


def access(
    selection: Selection,
    columns: Sequence[str],
    indexes: Iterable[Sequence[str | int | None]],
    product: str | None,
) -> Finding:
    """Whether an index finds rows by one of these columns."""
    key, id_, table = selection.key, selection.id, selection.table
    described = [IndexedColumn(*row) for row in indexes]  # type: ignore[arg-type]  # as they come
    firsts = [next(group) for _, group in groupby(described, key=lambda each: each.of)]
    usable = ((on.of, on.name) for on in firsts if on.is_usable)
    name = dataclasses.replace(table, name=f"IX_{table.name[:100]}_{columns[0][:20]}").quoted
    listed = ", ".join(map(quoted, dict.fromkeys((columns[0], key, id_))))
    create = f"CREATE INDEX {name} ON {table.quoted} ({listed}){_online(product)}"
    return checks.access(serving(usable, columns), columns, create)


def plan(selection: Selection, steps: Sequence[tuple[str, str, str, int]], rows: int) -> Finding:
    """Whether the database reads a page from an index, or the whole table for each."""
    whole = [
        (name, cardinality or 0)
        for operation, options, name, cardinality in steps
        if operation == "TABLE ACCESS" and "FULL" in (options or "")
    ]
    for name, cardinality in whole:
        if cardinality > SMALL * rows:
            return warning(
                f"each page of {rows:,} rows reads all of {name} (about {cardinality:,} rows)",
                "Create the index proposed here, or have the statistics of the table gathered",
            )
    used = ", ".join(name for operation, _, name, _ in steps if operation == "INDEX" and name)
    how = f"from {used}" if used else f"from {selection.table.label}, which is small"
    return passed(f"a page is read {how}")


def host(offset: int, zone: object | None, key_type: str) -> Finding:
    """The zone of the host beside that of the settings: SYSDATE stamps rows with the host's."""
    shown = f"{'-' if offset < 0 else '+'}{abs(offset) // 3600:02}:{abs(offset) // 60 % 60:02}"
    if "ZONE" in key_type or not offset or zone is not None:
        return passed(f"the database host is at {shown}, the replication key in {zone or 'UTC'}")
    return warning(
        f"the database host is at {shown}, but the replication key is assumed to be in UTC",
        "Set `source_timezone` to the zone of the host if SYSDATE or SYSTIMESTAMP stamps the rows",
    )


def lateness(
    selection: Selection, rows: int, between: tuple[int | None, int | None], window: float
) -> Finding:
    """Whether rows are stamped longer before they are inserted than the tap waits for them."""
    shortest, longest = between
    if longest is None or shortest is None:
        return passed("no rows to compare yet")
    if shifted := between_zones(shortest, longest):
        return warning(
            f"{INSERTED} is {shifted} {selection.key} in the newest {rows:,} rows",
            "Set `source_timezone` to the zone of that column if it is local time",
        )
    text = (
        f"{INSERTED} is at most {format_duration(max(longest, 0))} after {selection.key}"
        f" (newest {rows:,} rows); window {format_duration(window)}"
    )
    if longest <= NEARLY * window:
        return passed(text)
    enough = f"Set lookback_seconds to {math.ceil(longest * 1.5)}, unless they were loaded later"
    if longest <= window:
        return warning(text, enough)
    return failed(f"{text}: rows that come later than that are missed", enough, DataError)


def _declared(described: Iterable[OracleColumn]) -> str:
    return ", ".join(f"{column.name} {column.declared}" for column in described)


def _by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The columns of each key, in order."""
    found: dict[str, list[str]] = {}
    for name, column in pairs:
        found.setdefault(name, []).append(column)
    return found


def _command(remedy: str) -> str:
    """The remedy, where it is a statement as it stands."""
    return remedy if remedy.startswith("GRANT ") else ""
