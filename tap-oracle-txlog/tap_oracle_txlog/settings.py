"""All settings of the tap: their schema, and the check that names what is wrong.

Plain JSON schema, so that ``--about``, Meltano and this check read the same table. The settings of
the connection to Oracle are in ``oracle/settings.py``, those of every source in
``source_settings.py``.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from tap_oracle_txlog import source_settings
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.extraction import ExtractionSettings
from tap_oracle_txlog.oracle import settings as oracle_settings
from tap_oracle_txlog.rules.durations import parse_duration
from tap_oracle_txlog.rules.slices import Slice, cut, plan
from tap_oracle_txlog.rules.timestamps import BEGINNING, Instant, parse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

PROPERTIES: dict[str, dict[str, Any]] = {
    "sqlalchemy_url": {
        "type": ["string", "null"],
        "title": "SQLAlchemy URL",
        "description": "Read from this database instead of Oracle: sqlite:///events.db.",
        "secret": True,
    },
    "start_date": {
        "type": ["string", "null"],
        "title": "Start date",
        "description": "Where the first run begins, included; of no effect once there is a state.",
    },
    "end_date": {
        "type": ["string", "null"],
        "title": "End date",
        "description": "Read only rows before this time (a backfill); the tail's bookmark is not "
        "touched.",
    },
    "slice_interval": {
        "type": ["string", "null"],
        "title": "Slice interval",
        "description": "Cut a backfill (start_date to end_date) into slices of this length, each "
        "with a bookmark of its own: 30m, 1h, 1d.",
    },
    "page_size": {
        "type": "integer",
        "minimum": 1,
        "title": "Page size",
        "description": "Rows in one query; a STATE follows each page.",
        "default": 10_000,
    },
    "max_records_per_run": {
        "type": "integer",
        "minimum": 0,
        "title": "Max records per run",
        "description": "End the run after this many rows, with an exact bookmark; 0 is no limit.",
        "default": 0,
    },
    "late_commit_strategy": {
        "type": "string",
        "enum": ["auto", "watermark", "lookback"],
        "title": "Late commit strategy",
        "description": "How the tap knows what is complete: watermark asks for the oldest open "
        "transaction, lookback trusts a time window, auto takes the first that the rights allow.",
        "default": "auto",
    },
    "lookback_seconds": {
        "type": "integer",
        "minimum": 0,
        "title": "Lookback seconds",
        "description": "The bookmark stays this far behind; rows that are read again are not "
        "emitted again.",
        "default": 300,
    },
    "clock_skew_seconds": {
        "type": "integer",
        "minimum": 0,
        "title": "Clock skew seconds",
        "description": "How far the clocks of the database's nodes may be apart.",
        "default": 2,
    },
    "null_key": {
        "type": "string",
        "enum": ["warn", "fail", "emit"],
        "title": "Null key",
        "description": "What to do with rows whose replication key is NULL.",
        "default": "warn",
    },
    "poll_interval_seconds": {
        "type": ["number", "string"],
        "title": "Poll interval seconds",
        "description": "Keep running and look for new rows at this interval; 0 ends after a pass.",
        "default": 0,
    },
    "state_from_ledger": {
        "type": "boolean",
        "title": "State from ledger",
        "description": "Start from ETL_PRMREC when no state is given, as on a CI runner that "
        "starts empty. A given state wins; MELTANO_RUN_FULL_REFRESH=true reads from the beginning.",
        "default": False,
    },
    "program_name": {
        "type": "string",
        "title": "Program name",
        "description": "The pipeline's row in the ledger, for state_from_ledger.",
        "default": "M_INTIMECASEAGENT",
    },
    "ledger_table": {
        "type": "string",
        "title": "Ledger table",
        "description": "Name of the ledger's table.",
        "default": "ETL_PRMREC",
    },
    "ledger_url": {
        "type": "string",
        "title": "Ledger URL",
        "description": "URL of the ledger, in place of the mariadb_ settings: "
        "mysql://user:password@host:3306/database or sqlite:///ledger.db.",
        "secret": True,
    },
    "mariadb_host": {
        "type": "string",
        "title": "MariaDB host",
        "description": "Host of the ledger's server.",
    },
    "mariadb_port": {
        "type": "integer",
        "minimum": 1,
        "maximum": 65_535,
        "title": "MariaDB port",
        "description": "Port of the ledger's server.",
        "default": 3306,
    },
    "mariadb_database": {
        "type": "string",
        "title": "MariaDB database",
        "description": "Database that has the ledger.",
    },
    "mariadb_user": {
        "type": "string",
        "title": "MariaDB user",
        "description": "A user who may read the ledger.",
    },
    "mariadb_password": {
        "type": "string",
        "title": "MariaDB password",
        "description": "Password of that user.",
        "secret": True,
    },
    "mariadb_password_file": {
        "type": "string",
        "title": "MariaDB password file",
        "description": "File that holds the password.",
    },
    "log_level": {
        "type": ["string", "null"],
        "enum": ["DEBUG", "INFO", "WARNING", "ERROR", None],
        "title": "Log level",
        "description": "Level of the log on stderr; TAP_ORACLE_TXLOG_LOGLEVEL does the same.",
    },
}


@dataclass(frozen=True, slots=True)
class TapSettings:
    """The settings of the tap itself, beside those of its source.

    Args:
        start: Where the tail begins when there is no state.
        backfill: What to read instead of the tail; empty for the tail.
    """

    start: Instant
    backfill: tuple[Slice, ...]
    extraction: ExtractionSettings

    @classmethod
    def from_config(cls, config: Mapping[str, Any], key_zone: ZoneInfo | None) -> TapSettings:
        """Read a config that has its defaults; times are put into the clock of the replication key.

        Raises:
            ConfigurationError: A time or a number cannot be read, or end_date is before start_date.
        """
        return cls(
            start=_time(config, "start_date", key_zone) or BEGINNING,
            backfill=tuple(_backfill(config, key_zone)),
            extraction=ExtractionSettings(
                page_size=config["page_size"],
                max_records=config["max_records_per_run"],
                strategy=config["late_commit_strategy"],
                lookback=config["lookback_seconds"],
                skew=config["clock_skew_seconds"],
                null_key=config["null_key"],
                poll_interval=_number(config, "poll_interval_seconds"),
            ),
        )


def parallel_jobs(settings: TapSettings, count: int) -> list[dict[str, str]]:
    """The ``start_date`` and ``end_date`` of ``count`` jobs that share a backfill.

    Raises:
        ConfigurationError: There is no end_date, or the span cannot be cut so often.
    """
    if not settings.backfill:
        reason = "there is nothing to plan without end_date"
        raise ConfigurationError(reason, "Set start_date and end_date")
    try:
        slices = plan(settings.backfill[0].start, settings.backfill[-1].end, count)
    except ValueError as error:
        raise ConfigurationError(str(error), "Ask for fewer slices") from error
    return [{"start_date": start, "end_date": end} for start, end in slices]


def schema() -> dict[str, Any]:
    """The JSON schema of all settings of this package, without those that the SDK adds."""
    return {
        "type": "object",
        "properties": {**oracle_settings.PROPERTIES, **source_settings.PROPERTIES, **PROPERTIES},
    }


def without_blanks(config: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` without null and empty text: so an environment says that a setting is not set."""
    return {name: value for name, value in config.items() if value is not None and value != ""}


def check(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Refuse a config that has an unknown setting or a value of the wrong kind.

    The value itself is never shown: it may be a secret that was put under the wrong name.

    Raises:
        ConfigurationError: Names the setting, what is wrong and the nearest known name.
    """
    known = schema["properties"]
    for name in config:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            remedy = f"Did you mean `{near[0]}`?" if near else "See --about for the known ones"
            reason = f"unknown setting `{name}`"
            raise ConfigurationError(reason, remedy)
    for error in Draft202012Validator(schema).iter_errors(config):
        name = ".".join(map(str, error.absolute_path)) or "config"
        reason = f"setting `{name}` has a value that its {error.validator} does not allow"
        raise ConfigurationError(
            reason, f"Allowed: {_allowed(error.validator, error.validator_value)}"
        )


def _allowed(rule: object, value: object) -> str:
    if isinstance(value, list):
        return " or ".join("null" if item is None else str(item) for item in value)
    return f"{rule} {value}"


def _time(config: Mapping[str, Any], name: str, zone: ZoneInfo | None) -> Instant | None:
    if not (text := config.get(name)):
        return None
    try:
        return parse(text, zone)
    except ValueError as error:
        reason = f"setting `{name}`: {error}"
        raise ConfigurationError(reason, "Write it like 2026-01-31T12:00:00Z") from error


def _backfill(config: Mapping[str, Any], zone: ZoneInfo | None) -> list[Slice]:
    start, end = (_time(config, name, zone) for name in ("start_date", "end_date"))
    interval = config.get("slice_interval")
    if end is None:
        if interval:
            reason = "slice_interval is set without end_date"
            raise ConfigurationError(reason, "Set start_date and end_date, or leave it out")
        return []
    try:
        if interval:
            return cut(start or BEGINNING, end, parse_duration(interval))
        return plan(start or BEGINNING, end, 1)
    except ValueError as error:
        reason = f"settings `start_date`, `end_date`, `slice_interval`: {error}"
        raise ConfigurationError(reason, "end_date is the first time that is not wanted") from error


def _number(config: Mapping[str, Any], name: str) -> float:
    try:
        value = float(config[name])
    except ValueError as error:
        reason = f"setting `{name}`: {config[name]!r} is no number"
        raise ConfigurationError(reason, "Write seconds like 0.5") from error
    if not 0 <= value < float("inf"):
        reason = f"setting `{name}` is negative or infinite"
        raise ConfigurationError(reason, "Write seconds like 0.5")
    return value
