"""The Singer tap: settings in, one stream out."""

from __future__ import annotations

import copy
import logging
import time
from dataclasses import replace
from functools import partial
from typing import IO, TYPE_CHECKING, Any, cast

from typing_extensions import override

from tap_oracle_txlog import commands, maps, settings
from tap_oracle_txlog.errors import TapError
from tap_oracle_txlog.extraction import Extraction
from tap_oracle_txlog.old_settings import inherited
from tap_oracle_txlog.plugin import ConfiguredTap, catalog_of, json_object
from tap_oracle_txlog.rules.parts import check_form
from tap_oracle_txlog.source import TXLOG_COLUMNS
from tap_oracle_txlog.start import state_from_ledger
from tap_oracle_txlog.stop import Stop, Stopped
from tap_oracle_txlog.stream import EventStream
from tap_oracle_txlog.writer import SingerWriter

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from singer_sdk.plugin_base import _ConfigInput

    from tap_oracle_txlog.oracle.transactions import TransactionViews
    from tap_oracle_txlog.source import Column, Source


class TapOracleTxlog(ConfiguredTap):
    """Singer tap for an Oracle event table."""

    message_writer_class = SingerWriter
    message_writer: SingerWriter

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the SDK's own arguments
        self.stop = Stop()
        self._idle: Source | None = None
        self._views: TransactionViews | None = None
        super().__init__(**arguments)

    @override
    def discover_streams(self) -> Sequence[EventStream]:
        """One stream, of the columns that the table has.

        Without a connection in the settings there is a catalog of the default table all the same.
        """
        is_known = self.names.columns_are_known and not self.names_a_database
        columns = TXLOG_COLUMNS if is_known else self._look_up_columns()
        properties = {column.name: dict(column.json_schema) for column in columns}
        return [
            EventStream(
                self,
                self.names,
                {"type": "object", "properties": properties},
                settings=self.settings.tap,
                zone=self.settings.source.zone,
                writer=self.message_writer,
                stop=self.stop,
                open_extraction=self.extraction,
            )
        ]

    def _look_up_columns(self) -> Sequence[Column]:
        extraction = self.extraction()
        try:
            columns = extraction.columns()
            if not self.settings.tap.sqlalchemy_url:
                self._idle = extraction.hand_over()  # the sync goes on with this connection
            return columns
        finally:
            extraction.close()

    def _close_idle(self) -> None:
        if self._idle is not None:
            self._idle.close()
            self._idle = None

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

    def open_source(self, selected: Collection[str] | None = None) -> Source:
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

    @property
    def _stream(self) -> EventStream:
        (stream,) = self.streams.values()
        return cast("EventStream", stream)

    def _start_from_ledger(self) -> None:
        """Load the ledger's state where the given one does not say where to start."""
        kept = state_from_ledger(self.settings, self.state, self.names)
        if kept is not None:
            given = copy.deepcopy(self.state)
            self.load_state(kept)
            self.load_state(cast("dict[str, Any]", given))  # wins where it says anything

    # Hooks of the SDK

    @override
    def setup_mapper(self) -> None:
        """Look at the table first: maps are made of the catalog, which is to fit it."""
        _ = self.streams
        with maps.settings_explained():
            super().setup_mapper()

    @override
    def run_discovery(self) -> str:
        try:
            return super().run_discovery()
        finally:
            self._close_idle()

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Keep all of it, as the first STATE passes it on; the SDK's own keeps the bookmarks.

        Raises:
            DataError: It is of another form than a state.
        """
        check_form(state)
        kept = cast("dict[str, Any]", self._state)
        kept.update((name, value) for name, value in state.items() if name != "bookmarks")
        super().load_state(state)

    @override
    def _setup_signal_handlers(self) -> None:
        """Install nothing: the SDK's handler exits with 0 and may cut a line; see ``run``."""

    @classmethod
    @override
    def invoke(  # type: ignore[override]  # as the SDK does it
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
        **asked: Any,
    ) -> int:
        if about:
            cls.print_about(about_format)
            return 0
        make_tap = partial(
            cls,
            config={
                **inherited(settings.OLD, cls._env_var_prefix),
                **(config.config if config else {}),
            },
            parse_env_config=bool(config and config.parse_env),
            state=json_object("--state", state),
            catalog=catalog_of(catalog),
        )
        command = commands.Command(**asked)
        if command.name:
            with commands.errors_as_json(command):
                tap = make_tap(setup_mapper=False)
                return commands.run(command, tap.config, tap.settings)
        make_tap().run()
        return 0

    def run(self) -> None:
        """Read once, or for ever where polling is asked for.

        Raises:
            SystemExit: 128 + signal, after a signal.
            TapError: What failed.
        """
        if level := self.settings.tap.log_level:
            logging.getLogger().setLevel(level)
        self.message_writer.widen_pipe()
        with self.stop.installed():
            try:
                if self.settings.tap.state_from_ledger:
                    self._start_from_ledger()
                self._stream.announce()
                self.sync_all()
            except Stopped as stopped:
                raise SystemExit(128 + stopped.signum) from None
            except BrokenPipeError as error:
                reason = "the target closed the pipe"
                raise TapError(
                    reason, "See the target's error; unacknowledged rows are sent again"
                ) from error
            finally:
                self._close_idle()
