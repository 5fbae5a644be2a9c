"""What is in order between the tap and its database, and what is not: facts in, findings out.

The checks are pure functions of what the database answered; `examine` asks, in the order in which
things have to be put right. A check that fails in itself is a failed check, and no question takes
longer than `SECONDS`. Nothing is printed here, and nothing is changed anywhere.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from tap_oracle_txlog.errors import AccessDeniedError, ConfigurationError, DataError, TapError
from tap_oracle_txlog.keyset import Position
from tap_oracle_txlog.oracle import statements
from tap_oracle_txlog.oracle.identifiers import quoted
from tap_oracle_txlog.oracle.source import OracleSource
from tap_oracle_txlog.oracle.statements import KEY_FORMS
from tap_oracle_txlog.source import PageTooLargeError, SourceLostError
from tap_oracle_txlog.timestamps import BEGINNING, earliest_local, instant, seconds_between
from tap_oracle_txlog.watermark import NotReadable, Oldest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_oracle_txlog.extraction import ExtractionSettings
    from tap_oracle_txlog.oracle.settings import OracleSettings
    from tap_oracle_txlog.oracle.source import Database
    from tap_oracle_txlog.oracle.statements import Selection
    from tap_oracle_txlog.oracle.types import OracleColumn
    from tap_oracle_txlog.timestamps import Instant
    from tap_oracle_txlog.watermark import OpenTransactions

SECONDS: Final = 10.0
NULL_KEYS: Final = 1_000
NEWEST_ROWS: Final = 100_000
INSERTED: Final = "CREATED_AT"
"""The column that says when a row was inserted, where a table has it."""
NEARLY: Final = 0.8
"""Rows that come later than this part of the window are worth a warning."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; ``exit_code`` is that of a run that ends by it."""

    status: Literal["ok", "warning", "failed"]
    text: str
    remedy: str = ""
    exit_code: int = 0


class Line(NamedTuple):
    """A finding in its place in the report."""

    group: str
    check: str
    finding: Finding


Check: TypeAlias = "Callable[[], Finding]"


def passed(text: str) -> Finding:
    """Nothing is to be done."""
    return Finding("ok", text)


def warning(text: str, remedy: str) -> Finding:
    """It works, but slowly, or with a promise less."""
    return Finding("warning", text, remedy)


def failed(text: str, remedy: str, error: type[TapError]) -> Finding:
    """A run would end with ``error``, or lose rows."""
    return Finding("failed", text, remedy, error.exit_code)


# --- from facts to findings ----------------------------------------------------------------------


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
            return warning(f"{found.why}: {by_look_back} instead of watermark", found.remedy)
        error = AccessDeniedError if found.right_missing else ConfigurationError
        text = f"{found.why}, but late_commit_strategy is watermark"
        return failed(text, found.remedy, error)
    held = "no transaction is open"
    if isinstance(found, Oldest):
        held = f"the oldest transaction is open since {found.at[:19]} UTC ({found.holder or '?'})"
    if one_node:
        return warning(f"late commits by watermark, but of one node of a cluster; {held}", grant)
    return passed(f"late commits by watermark; {held}")


def columns(read: Iterable[OracleColumn], unsupported: Iterable[OracleColumn]) -> Finding:
    """What is read, and what cannot be."""
    if left_out := _declared(unsupported):
        text = f"{_declared(read)}; left out: {left_out}"
        return warning(text, "List the others in `columns`, or read a view that converts it")
    return passed(_declared(read))


def unique_id(selection: Selection, keys: Iterable[tuple[str, str, str]]) -> Finding:
    """Whether a key promises that no two rows have the same id."""
    id_ = selection.id
    if [id_] in _by_name((name, column) for name, _, column in keys).values():
        return passed(f"{id_} is a key")
    text = f"no key says that {id_} is unique: a second row of the same time and id stops the run"
    return warning(text, f"ALTER TABLE {selection.table.quoted} ADD UNIQUE ({quoted(id_)})")


def index(selection: Selection, indexes: Iterable[tuple[str, str]]) -> Finding:
    """Whether a page is a range of an index; the index of a zoned time is on a hidden column."""
    key, id_, table = selection.key, selection.id, selection.table
    is_hidden = selection.key_type == "TIMESTAMP WITH TIME ZONE"
    for name, on in _by_name(indexes).items():
        is_on_key = on[0].startswith("SYS_NC") if is_hidden else on[0] == key
        if is_on_key and on[1:2] == [id_]:
            return passed(f"{name} is on ({key}, {id_})")
    name = dataclasses.replace(table, name=f"IX_{table.name[:100]}_TAIL").quoted
    return warning(
        f"none is on ({key}, {id_}): each page reads and sorts the table",
        f"CREATE INDEX {name} ON {table.quoted} ({quoted(key)}, {quoted(id_)}) ONLINE",
    )


def null_keys(selection: Selection, count: int, how: ExtractionSettings) -> Finding:
    """Rows that are in no page, because they have no time."""
    if not count:
        return passed(f"every row has its {selection.key}")
    text = f"{count}{' or more' if count == NULL_KEYS else ''} rows have no {selection.key}"
    match how.null_key:
        case "emit":
            return passed(f"{text}; they are read by their id, as null_key says")
        case "fail":
            return failed(f"{text}, and null_key is fail", "Give them one", DataError)
        case "warn":
            return warning(f"{text} and are not read", "Set null_key: emit to get them")


def clock(selection: Selection, now: Instant, newest: str | None, skew: float) -> Finding:
    """The newest row beside the database's clock, both as the column tells the time."""
    if newest is None:
        return passed("no row has a time yet")
    ahead = seconds_between(now, instant(newest))
    if ahead >= -skew:
        return passed(f"{_span(max(ahead, 0))} ahead of the newest {selection.key}")
    text = f"the newest {selection.key} is {_span(-ahead)} ahead of the clock of the database"
    return warning(text, "Set `source_timezone` if these times are not in UTC")


def lateness(selection: Selection, rows: int, longest: int | None, window: float) -> Finding:
    """Whether rows are stamped longer before they are inserted than the tap waits for them."""
    if longest is None:
        return passed("no row tells yet")
    text = (
        f"{INSERTED} is at most {_span(max(longest, 0))} after {selection.key}"
        f" (newest {rows:,} rows); window {_span(window)}"
    )
    if longest <= NEARLY * window:
        return passed(text)
    enough = f"Set lookback_seconds to {math.ceil(longest * 1.5)}, unless they were loaded later"
    if longest <= window:
        return warning(text, enough)
    return failed(f"{text}: what comes later than that is missed", enough, DataError)


def _declared(described: Iterable[OracleColumn]) -> str:
    return ", ".join(f"{column.name} {column.declared}" for column in described)


def _by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The columns of each key or index, in order."""
    found: dict[str, list[str]] = {}
    for name, column in pairs:
        found.setdefault(name, []).append(column)
    return found


def _span(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 3600 else str(timedelta(seconds=round(seconds)))


# --- asking --------------------------------------------------------------------------------------


def examine(settings: OracleSettings, how: ExtractionSettings) -> Iterator[Line]:
    """Check all that can be checked: nothing without a login, no table that cannot be read."""
    opened: list[OracleSource] = []

    def log_in() -> Finding:
        source = OracleSource(
            dataclasses.replace(
                settings,
                connect_timeout=min(settings.connect_timeout, SECONDS),
                call_timeout=min(settings.call_timeout, SECONDS),
            )
        )
        opened.append(source)
        return login(source.database, settings.where)

    yield Line("Connection", "login", _made(log_in))
    for source in opened:
        try:
            yield from _after_login(source, how)
        finally:
            source.close()


def _after_login(source: OracleSource, how: ExtractionSettings) -> Iterator[Line]:
    yield Line("Rights", "transactions", _made(partial(_transactions, source, how)))
    right = _made(partial(_right, source))
    yield Line("Rights", "table", right)
    if right.status == "ok":
        for group, name, check in _checks(source, source.table.selection, how):
            yield Line(group, name, _made(check))


def _made(check: Check) -> Finding:
    """What the check found, or what became of it."""
    try:
        return check()
    except TapError as error:
        return failed(error.reason, error.remedy, type(error))
    except (SourceLostError, PageTooLargeError) as lost:
        return failed(lost.error.reason, lost.error.remedy, type(lost.error))
    except Exception as error:  # noqa: BLE001 - one check must not hide the others
        return failed(f"the check fails: {type(error).__name__}: {error}", "Report it", TapError)


def _transactions(source: OracleSource, how: ExtractionSettings) -> Finding:
    found = source.open_transactions()
    grant = source.database.grant("SYS.GV_$TRANSACTION")
    return transactions(found, how, one_node=source.sees_one_node, grant=grant)


def _right(source: OracleSource) -> Finding:
    """Execute the very statement of a page, for a span without rows: that costs nothing."""
    source.page(Position.before(BEGINNING), 1, until=BEGINNING)
    return passed(f"SELECT on {source.table.selection.table.label}")


def _checks(
    source: OracleSource, selection: Selection, how: ExtractionSettings
) -> Iterator[tuple[str, str, Check]]:
    ask, table = source.ask, selection.table
    read = [column for column in source.described if column.name in source.table.forms]
    yield "Table", "columns", lambda: columns(read, source.table.unsupported)
    yield "Table", "id", lambda: unique_id(selection, ask(statements.table_keys(table)))
    yield "Table", "index", lambda: index(selection, ask(statements.table_indexes(table)))
    without_key = statements.null_key_count(selection, NULL_KEYS)
    yield "Table", "NULL keys", lambda: null_keys(selection, ask(without_key)[0][0], how)
    yield "Time", "clock", lambda: _clock(source, selection, how)
    yield "Time", "lateness", lambda: _lateness(source, selection, how)


def _clock(source: OracleSource, selection: Selection, how: ExtractionSettings) -> Finding:
    ((newest,),) = source.ask(statements.newest_key(selection))
    now = earliest_local(source.clock(), source.key_zone)
    return clock(selection, now, newest, how.skew)


def _lateness(source: OracleSource, selection: Selection, how: ExtractionSettings) -> Finding:
    kind = next((column.kind for column in source.described if column.name == INSERTED), "")
    is_comparable = kind in KEY_FORMS and ("ZONE" in kind) == ("ZONE" in selection.key_type)
    if not is_comparable:
        return passed(f"there is no {INSERTED} to compare with {selection.key}")
    question = statements.lateness(selection, INSERTED, kind, NEWEST_ROWS)
    ((rows, _, longest),) = source.ask(question)
    return lateness(selection, rows, longest, how.lookback + how.skew)
