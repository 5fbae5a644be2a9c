"""The part of the doctor that looks at the ledger, where ``state_from_ledger`` starts from it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from tap_oracle_txlog import encryption
from tap_oracle_txlog.checks import made
from tap_oracle_txlog.diagnosis import Finding, Line, failed, passed, warning
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.ledger import (
    add_state_column,
    asked,
    columns_of,
    grant_for_ledger,
    ledger_url,
    previous_state,
)
from tap_oracle_txlog.rules.parts import written_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_oracle_txlog.ledger_settings import LedgerSettings
    from tap_oracle_txlog.settings import AllSettings
    from tap_oracle_txlog.source import TableNames

GROUP: Final = "Ledger"


def examine_ledger(settings: AllSettings, names: TableNames) -> Iterator[Line]:
    """Check the ledger, as far as each check lets the next one be made."""
    ledger = settings.ledger
    login = made(partial(_login, ledger))
    yield Line(GROUP, "login", login)
    if login.status != "ok":
        return
    if ledger_url(ledger).get_backend_name() != "sqlite":
        yield Line(GROUP, "TLS", made(partial(_encryption, ledger)))
    table = made(partial(_table, ledger), fix=partial(grant_for_ledger, ledger))
    yield Line(GROUP, "table", table)
    if table.status != "failed":
        yield Line(GROUP, "row", made(partial(_row, settings, names)))


def _login(ledger: LedgerSettings) -> Finding:
    url = ledger_url(ledger)
    if url.get_backend_name() != "sqlite":
        version = asked(ledger, lambda one: one.scalar(sa.text("SELECT VERSION()")))
        where = f"{url.username} at {url.host}:{url.port or 3306}/{url.database}"
        return passed(f"{where}, {version}")
    if not Path(url.database or "").exists():  # to connect would create it
        text = f"{url.database} does not exist"
        return failed(text, "Check the path in `ledger_url`, or run the target", ConfigurationError)
    asked(ledger, lambda one: one.scalar(sa.text("SELECT count(*) FROM sqlite_master")))
    return passed(f"{url.database}, SQLite")


def _encryption(ledger: LedgerSettings) -> Finding:
    query = sa.text("SHOW STATUS LIKE 'Ssl_version'")
    found = asked(ledger, lambda one: one.execute(query).one_or_none())
    return encryption.of_ledger(ledger.tls, ledger_url(ledger).host, found[1] if found else "")


def _table(ledger: LedgerSettings) -> Finding:
    """Whether a run can read what it looks for."""
    name = ledger.ledger_table
    columns = columns_of(ledger)
    if columns is None:
        return passed(f"{name} does not exist yet; the target creates it")
    if "PROGRAM_NAME" not in columns:
        text = f"{name} has no column PROGRAM_NAME: it is another table"
        return failed(text, "Set `ledger_table` to another name", ConfigurationError)
    if "SINGER_STATE" not in columns:
        return warning(
            f"{name} has no column SINGER_STATE: runs start from LAST_SUCCESSFUL_TIME",
            "Add the column",
            add_state_column(ledger),
        )
    return passed(f"SELECT on {name}")


def _row(settings: AllSettings, names: TableNames) -> Finding:
    """Where the next run would start that is given no state."""
    kept, origin = previous_state(
        settings.ledger,
        stream=names.stream,
        replication_key=names.replication_key,
        is_backfill=bool(settings.tap.backfill(settings.source.zone)),
    )
    if kept is None:
        return passed(f"{origin} has no state yet: a run starts at `start_date`")
    reached = written_time(kept, names.stream)
    return passed(f"a run starts from {origin}{f', complete up to {reached}' if reached else ''}")
