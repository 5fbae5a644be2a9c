"""What the answers of the ledger's database mean. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from target_nats_jetstream.diagnosis import Finding, failed, passed, warning
from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.ledger.ddl import add_columns, alter, create_tables, widen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_nats_jetstream.ledger.row import LedgerRow
    from target_nats_jetstream.ledger.settings import LedgerSettings
    from target_nats_jetstream.ledger.shape import ColumnShape, TableShape

NEEDED: Final[Mapping[str, int]] = {"SINGER_STATE": 1024 * 1024, "STATE_SEQUENCES": 65_535}
"""Characters that a column has to take: a state may list each row beyond its bookmark."""
NEARLY: Final = 0.8
"""A count that has come so far towards its largest value is worth a warning."""
LOSSES: Final[Mapping[str, str]] = {
    "LAST_SUCCESSFUL_TIME": "it does not tell how far the pipeline is complete",
    "LAST_RUN_TIME": "a run does not notice that another one has taken the row over",
    "STATUS": "it does not tell whether a run failed",
    "RECORDS_PROCESSED": "it does not count",
    "ERROR_MESSAGE": "it does not tell why a run failed",
    "SINGER_STATE": "runs without a state start from LAST_SUCCESSFUL_TIME",
    "STREAM_SEQUENCE": "what a killed run has stored is not counted",
    "STATE_SEQUENCES": "only the newest dedupe_tail messages are checked for duplicates",
}
"""What the table cannot do without a column."""


def none_kept() -> Finding:
    """No ledger is configured."""
    return passed("no ledger is kept: neither mariadb_host nor ledger_url is set")


def file_to_come(path: str, *, can_be_made: bool) -> Finding:
    """What follows from there being no SQLite file yet."""
    if can_be_made:
        return passed(f"{path} does not exist yet; the first run creates it")
    text = f"{path} does not exist and cannot be created"
    return failed(
        text, "Check the path in `ledger_url` and the rights of its folder", ConfigurationError
    )


def missing(settings: LedgerSettings, where: str) -> Finding:
    """What follows from there being no table."""
    if settings.create_table:
        return passed(f"{where} does not exist yet; the first run creates it")
    return failed(
        f"{where} does not exist",
        "Create it, or set `ledger_create_table: true`",
        ConfigurationError,
        " ".join(create_tables(settings)[0].split()),
    )


def table(settings: LedgerSettings, shape: TableShape, where: str, engine: str) -> Finding:
    """Whether the table can hold what a run has to say."""
    name = shape.columns.get("PROGRAM_NAME")
    if name is None:
        text = f"{where} has no column PROGRAM_NAME: it is another table"
        return failed(text, "Set `ledger_table` to another name", ConfigurationError)
    if name.fit(settings.program_name) != settings.program_name:
        text = f"`program_name` does not fit into the column PROGRAM_NAME of {where}"
        return failed(text, "Choose a shorter name of plain characters", ConfigurationError)
    if lacking := [column for column in LOSSES if column not in shape.columns]:
        what = "; ".join(f"no {column}: {LOSSES[column]}" for column in lacking)
        return warning(f"{where}: {what}", "Add the columns", add_columns(settings, lacking))
    if engine and engine != "InnoDB":
        text = f"{where} has engine {engine}: count and state are not written as one"
        return warning(text, "Use InnoDB", alter(settings, "ENGINE=InnoDB"))
    return passed(f"{where}, {len(shape.columns)} columns")


def room(settings: LedgerSettings, shape: TableShape, row: LedgerRow | None) -> Finding:
    """Whether the state and the count have room."""
    for name, needed in NEEDED.items():
        held = _characters(shape.columns.get(name))
        if held is not None and held < needed:
            text = f"{name} takes {held:,} characters; a state that is longer is left out"
            return warning(text, "Use LONGTEXT", widen(settings, name))
    count = shape.columns.get("RECORDS_PROCESSED")
    largest = count.largest if count else None
    if row is not None and largest and row.records_processed > NEARLY * largest:
        text = f"RECORDS_PROCESSED is {row.records_processed:,} and stops at {largest:,}"
        return warning(text, "Use BIGINT", widen(settings, "RECORDS_PROCESSED"))
    used = f"{len(row.singer_state):,}" if row and row.singer_state else "none"
    held = _characters(shape.columns.get("SINGER_STATE"))
    most = "no limit" if held is None else f"{held:,} characters"
    return passed(f"{most} for the state, {used} used")


def _characters(column: ColumnShape | None) -> int | None:
    """The most of a text in ASCII that a column takes; None for any."""
    if column is None:
        return None
    bounds = [bound for bound in (column.characters, column.octets) if bound is not None]
    return min(bounds, default=None)


def row(settings: LedgerSettings, found: LedgerRow | None) -> Finding:
    """What the pipeline's row says."""
    program = settings.program_name
    if found is None:
        return passed(f"{program} has not run yet")
    if found.damaged:
        text = f"{' and '.join(found.damaged)} of {program} cannot be parsed and will start afresh"
        return warning(text, "Restore the column, or empty it")
    complete = (
        f", complete up to {found.last_successful_time}" if found.last_successful_time else ""
    )
    return passed(f"{program}: {found.records_processed:,} records{complete}")


def history(settings: LedgerSettings, name: str, shape: TableShape) -> Finding:
    """Whether the history of runs can be written."""
    if not shape.columns and settings.create_table:
        return passed(f"{name} does not exist yet; the first run creates it")
    if not shape.columns:
        fix = " ".join(create_tables(settings)[1].split())
        return warning(f"{name} does not exist: no history of runs is written", "Create it", fix)
    lacking = [
        column for column in ("PROGRAM_NAME", "RUN_ID", "STATUS") if column not in shape.columns
    ]
    if lacking:
        text = f"{name} has no column {lacking[0]}: it is another table"
        return warning(text, "Rename it, or set `run_history: false`")
    return passed(name)


def at_most_warning(finding: Finding) -> Finding:
    """A finding about what no run depends on."""
    is_failed = finding.status == "failed"
    return replace(finding, status="warning", exit_code=0) if is_failed else finding


def lock(program: str, owner: str | None) -> Finding:
    """Whether a run could begin."""
    if owner is None:
        return passed("no run is active")
    text = f"a run of {program} is active ({owner}); another one would be refused"
    return warning(text, "Wait for it to end, or give this pipeline a `program_name` of its own")
