"""What is in order between the tap and its database, and what is not: asked here.

The questions are asked in the order in which things have to be put right, and `findings.py` judges
the answers. A check that fails in itself is a failed check, and no question takes longer than
`SECONDS`. Nothing is printed here, and nothing is changed anywhere.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from tap_oracle_txlog import checks
from tap_oracle_txlog.checks import NULL_KEYS, made
from tap_oracle_txlog.diagnosis import Finding, Line, passed, warning
from tap_oracle_txlog.errors import TapError
from tap_oracle_txlog.oracle import dictionary, findings, statements
from tap_oracle_txlog.oracle.findings import INSERTED
from tap_oracle_txlog.oracle.source import OracleSource
from tap_oracle_txlog.oracle.statements import KEY_FORMS
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING, earliest_local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_oracle_txlog.cases import CasesOf
    from tap_oracle_txlog.checks import Check
    from tap_oracle_txlog.oracle.settings import OracleSettings
    from tap_oracle_txlog.oracle.statements import Selection
    from tap_oracle_txlog.reading import ExtractionSettings

SECONDS: Final = 10.0
NEWEST_ROWS: Final = 100_000


def examine(
    settings: OracleSettings, how: ExtractionSettings, cases: CasesOf | None = None
) -> Iterator[Line]:
    """Check all that can be checked: nothing without a login, no table that cannot be read."""
    opened: list[OracleSource] = []

    def log_in() -> Finding:
        source = OracleSource(
            msgspec.structs.replace(
                settings,
                connect_timeout=min(settings.connect_timeout, SECONDS),
                call_timeout=min(settings.call_timeout, SECONDS),
            )
        )
        opened.append(source)
        return findings.login(source.database, settings.where)

    yield Line("Connection", "login", made(log_in))
    for source in opened:
        try:
            yield from _after_login(source, how, cases)
        finally:
            source.close()


def _after_login(
    source: OracleSource, how: ExtractionSettings, cases: CasesOf | None
) -> Iterator[Line]:
    yield Line("Privileges", "transactions", made(partial(_transactions, source, how)))
    right = made(partial(_right, source))
    yield Line("Privileges", "table", right)
    if right.status == "ok":
        for group, name, check in _checks(source, source.table.selection, how, cases):
            yield Line(group, name, made(check))


def _transactions(source: OracleSource, how: ExtractionSettings) -> Finding:
    source.clock()
    found = source.open_transactions()
    grant = source.database.grant
    return findings.transactions(found, how, one_node=source.sees_one_node, grant=grant)


def _right(source: OracleSource) -> Finding:
    """Execute the very statement of a page, for a span without rows: that costs nothing."""
    source.page(Position.before(BEGINNING), 1, until=BEGINNING)
    meant = f", which {source.synonym} stands for" if source.synonym else ""
    return passed(f"SELECT on {source.table.selection.table.label}{meant}")


def _checks(
    source: OracleSource,
    selection: Selection,
    how: ExtractionSettings,
    cases: CasesOf | None,
) -> Iterator[tuple[str, str, Check]]:
    ask, table = source.link.ask, selection.table
    read = [column for column in source.described if column.name in source.table.conversions]
    yield "Table", "columns", lambda: findings.columns(read, source.table.unsupported)
    yield "Table", "id", lambda: findings.unique_id(selection, ask(dictionary.table_keys(table)))
    yield "Table", "index", lambda: _index(source, selection)
    if selection.where.columns:
        yield "Table", "filter", lambda: _access(source)
    if cases is not None:
        yield "Table", "cases", lambda: checks.cases(source, cases, selection.key)
    yield "Table", "plan", lambda: _plan(source, selection, how)
    yield "Table", "NULL keys", lambda: _null_keys(source, selection, how)
    yield "Time", "zone", lambda: _zone(source, selection)
    yield "Time", "clock", lambda: _clock(source, selection, how)
    yield "Time", "lateness", lambda: _lateness(source, selection, how)


def _index(source: OracleSource, selection: Selection) -> Finding:
    ((product,),) = source.link.ask(dictionary.PRODUCT)
    found = source.link.ask(dictionary.table_indexes(selection.table))
    return findings.index(selection, found, product)


def _access(source: OracleSource) -> Finding:
    found = source.access()
    assert found is not None  # noqa: S101 - there is a filter
    return found


def _plan(source: OracleSource, selection: Selection, how: ExtractionSettings) -> Finding:
    """The plan of a page at the beginning, which an execution there would leave to all others."""
    id_ = 0 if selection.id_type == "NUMBER" else "00"
    page = statements.page(selection, Position(BEGINNING, id_), how.page_size)
    try:
        steps = source.link.plan(page)
    except TapError as error:
        text = f"the plan of a page cannot be read: {error.reason}"
        return warning(text, "Have a DBA look at the plan of the page in V$SQL_PLAN")
    return findings.plan(selection, steps, how.page_size)


def _null_keys(source: OracleSource, selection: Selection, how: ExtractionSettings) -> Finding:
    count = source.null_keys(NULL_KEYS)
    ((early,),) = source.link.ask(dictionary.early_key_count(selection, NULL_KEYS))
    return checks.null_keys(selection.key, count, how, early)


def _zone(source: OracleSource, selection: Selection) -> Finding:
    return findings.host(source.moment().host_offset, source.key_zone, selection.key_type)


def _clock(source: OracleSource, selection: Selection, how: ExtractionSettings) -> Finding:
    ((newest,),) = source.link.ask(dictionary.newest_key(selection))
    now = earliest_local(source.clock(), source.key_zone)
    return checks.clock(selection.key, now, newest, how.skew)


def _lateness(source: OracleSource, selection: Selection, how: ExtractionSettings) -> Finding:
    kind = next((column.kind for column in source.described if column.name == INSERTED), "")
    is_comparable = kind in KEY_FORMS and ("ZONE" in kind) == ("ZONE" in selection.key_type)
    if not is_comparable:
        return passed(f"there is no {INSERTED} to compare with {selection.key}")
    question = dictionary.lateness(selection, INSERTED, kind, NEWEST_ROWS)
    ((rows, shortest, longest),) = source.link.ask(question)
    return findings.lateness(selection, rows, (shortest, longest), how.lookback + how.skew)
