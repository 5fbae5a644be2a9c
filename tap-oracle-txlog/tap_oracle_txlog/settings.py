"""All settings of the tap.

Those of the connection to Oracle are in ``oracle/settings.py``, those of every source in
``source_settings.py``; how settings are read, checked and described is in ``config.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple

import msgspec
from typing_extensions import override

from tap_oracle_txlog.case_settings import CaseSettings
from tap_oracle_txlog.config import Settings, old, refuse, secret, setting
from tap_oracle_txlog.deprecation import schemas
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.ledger_settings import LedgerSettings
from tap_oracle_txlog.old_settings import TRANSLATED
from tap_oracle_txlog.oracle.settings import OracleSettings
from tap_oracle_txlog.reading import ExtractionSettings
from tap_oracle_txlog.replay_name import check_name, program_of
from tap_oracle_txlog.rules.durations import parse_duration
from tap_oracle_txlog.rules.slices import Slice, cut, plan
from tap_oracle_txlog.rules.timestamps import BEGINNING, Instant, parse
from tap_oracle_txlog.source_settings import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo


class TapSettings(Settings, frozen=True, kw_only=True):
    """The settings of the tap itself, beside those of its source; durations in seconds."""

    sqlalchemy_url: Annotated[
        str | None, secret("Read from this database instead of Oracle: sqlite:///events.db.")
    ] = None
    tables: Annotated[
        list[str | dict[str, Any]] | None,
        setting(
            "Several tables in one run, each a stream of its own: names, or objects with `table` "
            "and any of `replication_key`, `id_column`, `columns`, `filter` and `source_timezone`."
        ),
    ] = None
    start_date: Annotated[
        str | None,
        setting(
            "Read rows from this time on, such as 2026-01-01 or -10m (ten minutes before the "
            "start); ignored once a state exists."
        ),
    ] = None
    end_date: Annotated[
        str | None,
        setting("Read only rows before this time (a backfill); the tail's bookmark is kept."),
    ] = None
    replay: Annotated[
        str | None,
        setting(
            "Send rows once more, under this name: those of `filter`, `start_date` and "
            "`end_date`. The target needs the same setting; the tail is not touched."
        ),
    ] = None
    slice_interval: Annotated[
        str | None,
        old("remove it when the backfill has ended; without it, one resumes after its last page"),
    ] = None
    page_size: Annotated[int, setting("Rows per query; a STATE follows each page.", ge=1)] = 10_000
    batch_min_rows: Annotated[
        int,
        setting("With `batch_config`: write pages with fewer rows as RECORD messages.", ge=1),
    ] = 1
    clear_batches: Annotated[
        bool,
        setting(
            "With `batch_config` in a local folder: remove what killed runs have left there, if "
            "no run is using it. Not for output that is kept to be loaded later."
        ),
    ] = False
    max_records_per_run: Annotated[
        int,
        setting(
            "End the run after this many rows, with an exact bookmark; 0 means no limit.", ge=0
        ),
    ] = 0
    late_commit_strategy: Annotated[
        Literal["auto", "watermark", "lookback"],
        setting(
            "How the tap decides what is complete: watermark uses the oldest open transaction, "
            "lookback a fixed time window, auto the first of these that its privileges allow."
        ),
    ] = "auto"
    lookback_seconds: Annotated[
        int,
        setting(
            "The bookmark stays this far behind; rows that are read again are not emitted again.",
            ge=0,
        ),
    ] = 300
    clock_skew_seconds: Annotated[
        int, setting("How far the clocks of the database's nodes may be apart.", ge=0)
    ] = 2
    null_key: Annotated[
        Literal["warn", "fail", "emit"],
        setting("What to do with rows whose replication key is NULL."),
    ] = "warn"
    poll_interval_seconds: Annotated[
        float,
        setting(
            "Keep running and look for new rows at this interval; 0 ends after one pass.", ge=0
        ),
    ] = 0
    state_from_ledger: Annotated[
        bool,
        setting(
            "Start from ETL_PRMREC when no state is given, as on a CI runner that starts empty. A "
            "given state wins; MELTANO_RUN_FULL_REFRESH=true reads from the beginning."
        ),
    ] = False
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None,
        setting("Level of the log on stderr; TAP_ORACLE_TXLOG_LOGLEVEL does the same."),
    ] = None

    @classmethod
    @override
    def _given(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """What is set; a start that is an age becomes the time that it means, once a run."""
        given = super()._given(config)
        if isinstance(age := given.get("start_date"), str) and age.startswith("-"):
            if given.get("end_date"):
                refuse("start_date", "is relative, beside `end_date`", "Set a time for a backfill")
            if given.get("replay"):
                refuse("start_date", "is relative, beside `replay`", "Set a time for a replay")
            given["start_date"] = _before_now(age)
        return given

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        check_name(self.replay)
        if self.replay and self.slice_interval:
            refuse("slice_interval", "is set beside `replay`", "Remove it")

    @property
    def extraction(self) -> ExtractionSettings:
        """How a table is read."""
        return ExtractionSettings(
            page_size=self.page_size,
            max_records=self.max_records_per_run,
            strategy=self.late_commit_strategy,
            lookback=self.lookback_seconds,
            skew=self.clock_skew_seconds,
            null_key=self.null_key,
            poll_interval=self.poll_interval_seconds,
        )

    def start(self, zone: ZoneInfo | None) -> Instant:
        """Where the tail begins when there is no state.

        Args:
            zone: Of the replication key's clock; None for UTC.

        Raises:
            ConfigurationError: The time cannot be read.
        """
        return _time("start_date", self.start_date, zone) or BEGINNING

    def end(self, zone: ZoneInfo | None) -> Instant | None:
        """Where a backfill ends; None for the tail. Arguments and errors are those of ``start``."""
        return _time("end_date", self.end_date, zone)

    @property
    def span(self) -> tuple[str, str]:
        """From when to when rows are read, as far as that is known without the database."""
        return str(self.start(None)), str(self.end(None) or "")

    def backfill(self, zone: ZoneInfo | None) -> tuple[Slice, ...]:
        """What to read instead of the tail; empty for the tail.

        Args:
            zone: As with ``start``.

        Raises:
            ConfigurationError: A time cannot be read, or end_date is before start_date.
        """
        start, end = self.start(zone), self.end(zone)
        if end is None:
            if self.slice_interval:
                reason = "setting `slice_interval` is set without `end_date`"
                remedy = "Set start_date and end_date, or leave it out"
                raise ConfigurationError(reason, remedy, setting="slice_interval")
            return ()
        try:
            if self.slice_interval:
                return tuple(cut(start, end, parse_duration(self.slice_interval)))
            return tuple(plan(start, end, 1))
        except ValueError as error:
            reason = f"settings `start_date` (--from) and `end_date` (--to): {error}"
            remedy = "Set an end_date after start_date; it is exclusive"
            if self.slice_interval and start < end:
                remedy = "Set another `slice_interval`"
            raise ConfigurationError(reason, remedy, setting="end_date") from error

    def buckets(self, interval: str, until: Instant) -> list[Slice]:
        """The time that is read, cut for ``--digest``; it ends at ``until``.

        Raises:
            ConfigurationError: There is no start_date, or the time cannot be cut so.
        """
        if not self.start_date:
            refuse("start_date", "is missing: --digest has to begin somewhere", "Set it, or --from")
        end = min(_time("end_date", self.end_date, None) or until, until)
        try:
            return cut(self.start(None), end, parse_duration(interval))
        except ValueError as error:
            reason = f"--digest {interval}: {error}"
            raise ConfigurationError(reason, "Set other times, or another length") from error


class AllSettings(NamedTuple):
    """The settings of the tap, of any source, of cases and of the ledger; Oracle's are read when
    needed.
    """

    tap: TapSettings
    source: SourceSettings
    ledger: LedgerSettings
    cases: CaseSettings

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> AllSettings:
        """Read them all.

        Raises:
            ConfigurationError: A value does not fit, or two settings contradict each other.
        """
        OracleSettings.unchecked(config)
        tap, source = TapSettings.from_config(config), SourceSettings.from_config(config)
        tap.backfill(source.zone)
        check_filter(tap, source)
        ledger = LedgerSettings.from_config(config)
        program = program_of(ledger.program_name, tap.replay)
        cases = CaseSettings.from_config(config)
        if cases.assemble_by and tap.tables:
            refuse(
                "assemble_by",
                "is set beside `tables`",
                "Read the table of the cases in a run of its own",
            )
        return cls(tap, source, msgspec.structs.replace(ledger, program_name=program), cases)


OURS, OLD = schemas(OracleSettings, TapSettings, CaseSettings, LedgerSettings, *TRANSLATED)
"""The JSON schemas of the settings of this package, without those that the SDK adds; and what to do
instead of each setting of the last release.
"""
READ = (*OURS, *OLD)
"""The settings that this package reads."""
SHORT: Final = {
    "user": "ORACLE_USER",
    "password": "ORACLE_PASSWORD",
    "dsn": "ORACLE_DSN",
    "max_records_per_run": "MAX_RECORDS_PER_RUN",
    "poll_interval_seconds": "POLL_INTERVAL",
    "mariadb_host": "MARIADB_HOST",
    "mariadb_port": "MARIADB_PORT",
    "mariadb_database": "MARIADB_DATABASE",
    "mariadb_user": "MARIADB_USER",
    "mariadb_password": "MARIADB_PASSWORD",
    "program_name": "PROGRAM_NAME",
    "log_level": "LOG_LEVEL",
    "replay": "TXLOG_REPLAY",
}
"""What settings are also called in the environment of the project's ``meltano.yml``: as in the poll
loop that came before (V7), so that its users keep theirs; and what both plugins have to agree on.
"""


def check_filter(tap: TapSettings, source: SourceSettings) -> None:
    """Refuse a filter that cannot be one, and one of the tail: its bookmark would say of rows that
    were left out that they are out.

    Raises:
        ConfigurationError: It is such a filter.
    """
    if source.row_filter and tap.replay is None:
        remedy = (
            "Set `replay` to a name for these rows; to follow a part of a table, set `table` to a "
            "view of it"
        )
        refuse("filter", "is set without `replay`", remedy)


def _time(name: str, text: str | None, zone: ZoneInfo | None) -> Instant | None:
    if not text:
        return None
    try:
        return parse(text, zone)
    except ValueError as error:
        reason = f"setting `{name}`: {error}"
        remedy = "Write it like 2026-01-31T12:00:00Z"
        raise ConfigurationError(reason, remedy, setting=name) from error


def _before_now(age: str) -> str:
    """The time that is so long before now, by the clock of this machine."""
    try:
        at = datetime.now(UTC) - timedelta(seconds=parse_duration(age.removeprefix("-")))
    except (ValueError, OverflowError):
        refuse("start_date", "is neither a time nor an age", "Write it like 2026-01-31 or -10m")
    return at.isoformat()
