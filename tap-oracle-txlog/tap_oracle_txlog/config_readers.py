"""What reads settings and needs no server, for ``--check-config``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_oracle_txlog.case_settings import CaseSettings
from tap_oracle_txlog.config import check
from tap_oracle_txlog.ledger import ledger_url
from tap_oracle_txlog.ledger_settings import LedgerSettings
from tap_oracle_txlog.mariadb import tls_context
from tap_oracle_txlog.old_settings import modern
from tap_oracle_txlog.oracle.settings import OracleSettings
from tap_oracle_txlog.settings import READ, TapSettings, check_filter
from tap_oracle_txlog.source_settings import SourceSettings
from tap_oracle_txlog.sqlalchemy.engine import engine_for
from tap_oracle_txlog.sqlalchemy.reflection import url_explained
from tap_oracle_txlog.table import tables_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_oracle_txlog.config_check import Read

Config = dict[str, Any]


def readers(schema: Mapping[str, Any]) -> list[Read]:
    """One for each part of the settings.

    Args:
        schema: The JSON schema of all settings.
    """
    return [
        lambda config: check(config, schema, READ),
        _modern,
        _source,
        _tap,
        _cases,
        _ledger,
        _tables,
    ]


def _modern(config: Config) -> Config:
    return modern(config, {})


def _source(config: Config) -> None:
    """Oracle, or what a URL names: then the settings of Oracle need not go together."""
    config = _modern(config)
    if not (url := config.get("sqlalchemy_url")):
        OracleSettings.from_config(config)
        return
    with url_explained():
        engine_for(str(url)).dispose()
    OracleSettings.unchecked(config)
    _ = SourceSettings.from_config(config).zone


def _tap(config: Config) -> None:
    config = _modern(config)
    tap, source = TapSettings.from_config(config), SourceSettings.from_config(config)
    tap.backfill(source.zone)
    check_filter(tap, source)


def _cases(config: Config) -> None:
    CaseSettings.from_config(_modern(config))


def _ledger(config: Config) -> None:
    config = _modern(config)
    settings = LedgerSettings.from_config(config).with_password()
    if TapSettings.from_config(config).state_from_ledger:
        ledger_url(settings)
    if settings.tls:
        tls_context(settings.tls)


def _tables(config: Config) -> None:
    for table in tables_of(_modern(config)):
        _ = table.names
