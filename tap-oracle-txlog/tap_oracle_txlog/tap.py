"""The Singer tap: settings in, a stream for each table out."""

from __future__ import annotations

import copy
import logging
import time
from contextlib import ExitStack
from functools import partial
from heapq import heappop, heappush
from typing import IO, TYPE_CHECKING, Any, cast

from singer_sdk import metrics
from typing_extensions import override

from tap_oracle_txlog import commands, maps, settings
from tap_oracle_txlog.case_stream import CaseStream
from tap_oracle_txlog.cases import case_names, case_schema
from tap_oracle_txlog.deprecation import inherited
from tap_oracle_txlog.errors import TapError
from tap_oracle_txlog.plugin import ConfiguredTap, catalog_of, json_object, wants_metrics
from tap_oracle_txlog.rules.parts import check_form, clear_marks, retire_streams
from tap_oracle_txlog.start import state_from_ledger
from tap_oracle_txlog.stop import Stop, Stopped
from tap_oracle_txlog.stream import EventStream
from tap_oracle_txlog.writer import SingerWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk import Stream
    from singer_sdk.plugin_base import _ConfigInput

    from tap_oracle_txlog.reading import Pause
    from tap_oracle_txlog.table import Table

logger = logging.getLogger(__name__)


class TapOracleTxlog(ConfiguredTap):
    """Singer tap for an Oracle event table."""

    message_writer_class = SingerWriter
    message_writer: SingerWriter

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the SDK's own arguments
        self.stop = Stop()
        super().__init__(**arguments)

    @override
    def discover_streams(self) -> Sequence[EventStream]:
        """A stream for each table, of the columns that it has, and one for its cases."""
        return [stream for table in self.tables for stream in self._streams_of(table)]

    def _streams_of(self, table: Table) -> Iterator[EventStream]:
        columns = table.columns()
        properties = {column.name: dict(column.json_schema) for column in columns}
        shared: dict[str, Any] = {
            "settings": table.settings.tap,
            "zone": table.settings.source.zone,
            "writer": self.message_writer,
            "stop": self.stop,
            "replay": table.replay,
        }
        events = EventStream(
            self,
            table.names,
            {"type": "object", "properties": properties},
            open_extraction=table.extraction,
            **shared,
        )
        yield events
        if (cases := table.cases) is not None:
            yield CaseStream(
                self,
                case_names(table.names, cases.by),
                case_schema(columns, cases, table.names.replication_key),
                cases=cases,
                open_extraction=lambda _, most_rows: table.case_extraction(
                    cases, events.selected_columns() if events.selected else None, most_rows
                ),
                **shared,
            )

    def _close(self) -> None:
        for table in self.tables:
            table.close()

    @property
    def _selected(self) -> Sequence[EventStream]:
        streams = cast("Iterable[EventStream]", self.streams.values())
        return [stream for stream in streams if stream.selected]

    def _start_from_ledger(self) -> None:
        """Load the ledger's state where the given one does not say where to start."""
        given = copy.deepcopy(self.state)
        found = [state_from_ledger(table.settings, given, table.names) for table in self.tables]
        if any(kept := [one for one in found if one is not None]):
            for state in (*kept, given):  # what is given wins where it says anything
                self.load_state(cast("dict[str, Any]", state))

    def _read(self, streams: Sequence[EventStream]) -> None:
        """Read one table after the other; those that are followed take turns."""
        if streams:
            clear_marks(self.state)
            self._retire()
        for stream in streams:
            stream.announce()
        if len(streams) < 2 or not self.settings.tap.poll_interval_seconds:
            self.sync_all()
            return
        streams[0].write_state()
        with ExitStack() as stack:
            passes = []
            for stream in streams:
                stream.write_schema()
                passes.append(stream.passes())
                stack.callback(passes[-1].close)
            _take_turns(passes)

    def _retire(self) -> None:
        """List in the state what the settings do not name any more; what only the catalog leaves
        out is still waited for.
        """
        if gone := retire_streams(cast("dict[str, Any]", self.state), self.streams):
            logger.info(
                "the state has bookmarks of %s, which this tap is not set to read: they are kept, "
                "and how far the pipeline is complete does not wait for them",
                ", ".join(gone),
            )

    # Hooks of the SDK

    @property
    @override
    def streams(self) -> dict[str, Stream]:
        """In the order in which they are read: events, and then what is made of them."""
        if self._streams is None:
            found = super().streams.values()
            made_later = sorted(found, key=lambda stream: isinstance(stream, CaseStream))
            self._streams = {stream.name: stream for stream in made_later}
        return self._streams

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
            self._close()

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Keep all of it, as the first STATE passes it on; the SDK's own keeps the bookmarks.

        Raises:
            DataError: It is of another form than a state.
        """
        check_form(state)
        kept = cast("dict[str, Any]", self._state)
        kept.update((name, value) for name, value in state.items() if name != "bookmarks")
        if state:
            kept.setdefault("bookmarks", {})  # without any, it would be none that can be given
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
        given = {
            **inherited(settings.OLD, cls._env_var_prefix),
            **(config.config if config else {}),
        }
        parse_env = bool(config and config.parse_env)
        command = commands.Command(**asked)
        if command.dates:  # what is typed goes before what is set
            given |= {**(cls._env_var_config if parse_env else {}), **command.dates}
            parse_env = False
        if command.check_config:
            return commands.answer_mistakes(command, cls.mistakes(given, parse_env=parse_env))
        make_tap = partial(
            cls,
            config=given,
            parse_env_config=parse_env,
            state=json_object("--state", state),
            catalog=catalog_of(catalog),
        )
        if command.name:
            with commands.errors_as_json(command):
                return commands.carry_out(command, make_tap(setup_mapper=False).tables)
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
        if not wants_metrics():
            metrics.get_metrics_logger().setLevel(logging.WARNING)
        self.message_writer.widen_pipe()
        with self.stop.installed():
            try:
                if self.settings.tap.state_from_ledger:
                    self._start_from_ledger()
                self._read(self._selected)
            except Stopped as stopped:
                raise SystemExit(128 + stopped.signum) from None
            except BrokenPipeError as error:
                reason = "the target closed the pipe"
                raise TapError(
                    reason, "See the target's error; unacknowledged rows are sent again"
                ) from error
            finally:
                self._close()


def _take_turns(runs: Iterable[Iterator[Pause]]) -> None:
    """Go on with the run whose pause ends next, until all have ended."""
    due = [(0.0, number, run) for number, run in enumerate(runs)]
    while due:
        at, number, run = heappop(due)
        time.sleep(max(0.0, at - time.monotonic()))
        if (pause := next(run, None)) is not None:
            heappush(due, (time.monotonic() + pause.seconds, number, run))
