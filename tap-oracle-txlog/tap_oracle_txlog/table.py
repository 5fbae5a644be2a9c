"""The tables of a run: one or, with the setting `tables`, several; each is a stream of its own."""

from __future__ import annotations

import difflib
import json
import time
from collections import Counter
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from tap_oracle_txlog.case_extraction import CaseExtraction
from tap_oracle_txlog.cases import CasesOf
from tap_oracle_txlog.config import refuse
from tap_oracle_txlog.extraction import Extraction
from tap_oracle_txlog.oracle.identifiers import identifier
from tap_oracle_txlog.oracle.settings import OracleSettings
from tap_oracle_txlog.rules.replay import Replay
from tap_oracle_txlog.settings import AllSettings
from tap_oracle_txlog.source import TXLOG_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tap_oracle_txlog.oracle.transactions import TransactionViews
    from tap_oracle_txlog.source import Column, Divisible, Source, TableNames

#: What may differ from table to table.
OWN: Final = ("table", "replication_key", "id_column", "columns", "filter", "source_timezone")


def tables_of(config: Mapping[str, Any]) -> list[Table]:
    """The tables that the settings name.

    Raises:
        ConfigurationError: One of them cannot be used, or two would be one stream.
    """
    common = {name: value for name, value in config.items() if name != "tables"}
    if (listed := AllSettings.from_config(config).tap.tables) is None:
        return [Table(common)]
    if not listed:
        refuse("tables", "names no table", "Name one or more, or leave it out")
    if config.get("table"):
        refuse("tables", "and `table` are both set", "Keep one of them")
    found = [Table(common | _own(one)) for one in listed]
    names, times = Counter(table.names.stream for table in found).most_common(1)[0]
    if times > 1:
        refuse("tables", f"has {times} tables named {names}", "Run all but one of them separately")
    return found


def _own(one: str | Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one table; a text is its name."""
    own = {"table": one} if isinstance(one, str) else dict(one)
    for name in own:
        if name not in OWN:
            near = difflib.get_close_matches(name, OWN, n=1, cutoff=0.5)
            remedy = f"Did you mean `{near[0]}`?" if near else f"Known are {', '.join(OWN)}"
            refuse("tables", f"has an unknown setting {json.dumps(name)[:80]}", remedy)
    if not own.get("table"):
        refuse("tables", "has an entry without `table`", "Name the table")
    return own


class Table:
    """A table, as the settings describe it, and the way to it.

    Args:
        config: All settings, those of this table among them.

    Raises:
        ConfigurationError: One of them cannot be used.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.settings = AllSettings.from_config(config)
        self._idle: Source | None = None
        self._views: TransactionViews | None = None

    @cached_property
    def oracle(self) -> OracleSettings:
        """The settings of the connection to Oracle."""
        return OracleSettings.from_config(self.config)

    @cached_property
    def names(self) -> TableNames:
        """What the table and its columns are called: Oracle's as its dictionary has them, others
        as they were typed.
        """
        if self.settings.tap.sqlalchemy_url:
            return self.settings.source.names
        return OracleSettings.unchecked(self.config).names

    @cached_property
    def replay(self) -> Replay | None:
        """The replay that the run is, and what it selects of the table; None where it is none."""
        tap = self.settings.tap
        if tap.replay is None:
            return None
        settings = self.settings.source
        if not tap.sqlalchemy_url:
            settings = OracleSettings.unchecked(self.config)
        return Replay(tap.replay, settings.row_filter.digest(*tap.span))

    @cached_property
    def cases(self) -> CasesOf | None:
        """The cases that are put together from its events; None where none are, as in a replay."""
        settings = self.settings.cases
        if settings.assemble_by is None or self.replay is not None:
            return None
        is_oracle = not self.settings.tap.sqlalchemy_url
        by, type_ = settings.assemble_by, settings.assemble_type
        return CasesOf(
            by=identifier(by, setting="assemble_by") if is_oracle else by,
            type=(identifier(type_, setting="assemble_type") if is_oracle else type_)
            if settings.assemble_end
            else None,
            ends=frozenset(one.rstrip(" ") for one in settings.assemble_end or ()),
            quiet=settings.quiet,
            max_events=settings.assemble_max_events,
        )

    def columns(self) -> Sequence[Column]:
        """Its columns.

        Without a connection in the settings there are those of the default table all the same.
        """
        names_a_database = any(self.config.get(name) for name in ("sqlalchemy_url", "dsn"))
        if self.names.columns_are_known and not names_a_database:
            return TXLOG_COLUMNS
        extraction = self.extraction()
        try:
            columns = extraction.columns()
            if not self.settings.tap.sqlalchemy_url:
                self._idle = extraction.hand_over()  # the sync goes on with this connection
            return columns
        finally:
            extraction.close()

    def extraction(
        self, selected: Collection[str] | None = None, most_rows: int | None = None
    ) -> Extraction:
        """The loop that reads the table; it connects when it is asked for something.

        Args:
            selected: Columns that may be in rows beside key and id; None for all.
            most_rows: Of a page, where that is less than ``page_size``.
        """
        how = self.settings.tap.extraction
        if most_rows is not None:
            how = replace(how, page_size=min(most_rows, how.page_size))
        waits = self.settings.source.waits
        open_source = partial(self.open_source, selected)
        return Extraction(open_source, how, waits=waits, sleep=time.sleep)

    def case_extraction(
        self,
        cases: CasesOf,
        selected: Collection[str] | None = None,
        most_rows: int | None = None,
    ) -> CaseExtraction:
        """The loop that puts cases together; other arguments as those of ``extraction``."""
        how = self.settings.tap.extraction
        if most_rows is not None:
            how = replace(how, page_size=min(most_rows, how.page_size))
        waits, key = self.settings.source.waits, self.names.replication_key
        read = self.open_source
        return CaseExtraction(read, cases, key, selected, how, waits=waits, sleep=time.sleep)

    def open_source(self, selected: Collection[str] | None = None) -> Divisible:
        """Connect to the database that the settings name.

        Args:
            selected: Columns that may be in rows beside key and id; None for all.

        Raises:
            TapError: It cannot be used as the settings say.
            SourceLostError: It is away; another try may succeed.
        """
        if url := self.settings.tap.sqlalchemy_url:
            from tap_oracle_txlog.sqlalchemy.source import SqlAlchemySource  # noqa: PLC0415

            return SqlAlchemySource.from_settings(url, self.settings.source, selected)
        from tap_oracle_txlog.oracle.source import OracleSource  # noqa: PLC0415
        from tap_oracle_txlog.oracle.transactions import TransactionViews  # noqa: PLC0415

        if isinstance(idle := self._idle, OracleSource):
            self._idle = None
            idle.select(selected)
            return idle
        self._views = self._views or TransactionViews()
        return OracleSource(self.oracle, selected, self._views)

    def close(self) -> None:
        """Close the connection that no sync has gone on with."""
        if self._idle is not None:
            self._idle.close()
            self._idle = None
