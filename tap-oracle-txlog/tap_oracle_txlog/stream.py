"""The Singer stream: writes what ``Extraction`` reads, and the bookmark after each page."""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import Schema
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_oracle_txlog import maps
from tap_oracle_txlog.batch_files import BatchFiles
from tap_oracle_txlog.bookmarks import Bookmarks
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.reading import Pause
from tap_oracle_txlog.reading_report import ReadingReport
from tap_oracle_txlog.rules.catalog import merged, way_named
from tap_oracle_txlog.rules.parts import not_complete
from tap_oracle_txlog.rules.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context
    from singer_sdk.singerlib import Catalog, SchemaMessage

    from tap_oracle_txlog.reading import Emission, Reading
    from tap_oracle_txlog.row import Row
    from tap_oracle_txlog.rules.parts import HowFar, Part
    from tap_oracle_txlog.rules.replay import Replay
    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.settings import TapSettings
    from tap_oracle_txlog.source import TableNames
    from tap_oracle_txlog.stop import Stop
    from tap_oracle_txlog.writer import SingerWriter

logger = logging.getLogger(__name__)


class EventStream(Stream):
    """The rows of one table, in the order of (replication key, id).

    Args:
        tap: The plugin, for the SDK.
        names: What to call the table and its columns.
        json_schema: The columns.
        replay: What the run is, if it is a replay.
        writer: The way to stdout.
        stop: Holds signals back while a page is written.
        open_extraction: Makes the loop that reads these columns, in pages of at most so many rows.
    """

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # sources give JSON-ready rows

    def __init__(  # noqa: PLR0913 - what the SDK's stream needs, and then what this one uses
        self,
        tap: Tap,
        names: TableNames,
        json_schema: Mapping[str, Any],
        *,
        settings: TapSettings,
        zone: ZoneInfo | None,
        writer: SingerWriter,
        stop: Stop,
        replay: Replay | None,
        open_extraction: Callable[[Collection[str], int | None], Reading],
    ) -> None:
        super().__init__(tap, schema=dict(json_schema), name=names.stream)
        self._writer = writer
        self._stop = stop
        self._open_extraction = open_extraction
        self._names = names
        where = self.tap_state, self.get_context_state
        read = self._progress_of
        self._bookmarks = Bookmarks(*where, names, settings, zone, replay=replay, read=read)
        wanted = self.config.get("batch_config")
        self._files = BatchFiles.configured(wanted, super().get_batch_config) if wanted else None
        self._settings = settings
        self._name_columns()

    def _progress_of(
        self, bookmark: Mapping[str, Any], start: Instant, zone: ZoneInfo | None
    ) -> HowFar:
        """How far a part is read; raises ``DataError`` where its bookmark cannot be used."""
        return Progress.from_bookmark(
            bookmark,
            start=start,
            replication_key=self._names.replication_key,
            table=self._names.table,
            zone=zone,
        )

    def _name_columns(self) -> None:
        self.primary_keys = (self._names.id_column,)
        self.replication_key = self._names.replication_key

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Take the selection from the catalog; key and replication key are settings, not
        choices.

        Raises:
            ConfigurationError: It asks for a way of replication that there is not.
        """
        super().apply_catalog(catalog)
        self._name_columns()
        self._fit_to_table(catalog)
        if (way := self.replication_method) != REPLICATION_INCREMENTAL:
            reason = f"the catalog asks for {way_named(way)} replication of {self.name}"
            remedy = "Choose INCREMENTAL; to read all rows again, run without a state"
            raise ConfigurationError(reason, remedy)

    def _fit_to_table(self, catalog: Catalog) -> None:
        """Have SCHEMA and maps say of each column what the table has; say where that is new."""
        if (entry := catalog.get_stream(self.name)) is None or not self.selected:
            remedy = "Select it in the catalog, or run without one"
            logger.warning(
                "the catalog selects no columns of %s, so no rows are read. %s", self.name, remedy
            )
            return
        stored = entry.schema.to_dict()
        table = self.schema["properties"]
        properties, differences = merged(table, stored.get("properties") or {})
        if differences:
            logger.warning(
                "the catalog differs from %s: %s. Using the table's columns; run discovery again",
                self._names.table,
                ", ".join(differences),
            )
        entry.schema = Schema.from_dict({**stored, "type": "object", "properties": properties})
        self._input_schema = entry.schema.to_dict()

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Give none: the bookmark is the watermark's affair, not that of this host's clock."""

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        """Leave errors to the entry point: the SDK announces each once more, without its cause."""
        level = logging.DEBUG if level >= logging.ERROR else level
        super().log(message, *args, level=level, **kwargs)

    @override
    def _generate_schema_messages(self) -> Generator[SchemaMessage, None, None]:
        """Name the table with its owner: two owners' tables of one name are one stream by name.

        Here, and not in the catalog: one that was stored before, or by hand, need not have it.
        """
        for message in super()._generate_schema_messages():
            message.schema = {**message.schema, "title": self._names.table}
            yield message

    @override
    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """Give none: the SDK would make files of rows without regard for where a STATE stands."""

    @override
    def get_records(self, context: Context | None) -> Generator[dict[str, Any], None, None]:
        """The rows alone, without messages and bookmark; a sync reads them page by page."""
        extraction = self._extraction()
        try:
            for _, step in self._steps(extraction):
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                else:
                    yield from (row.record() for row in step.rows)
        finally:
            extraction.close()

    def announce(self) -> None:
        """Mark what this run is going to read, as far as that is known without the database.

        Raises:
            DataError: The bookmark of a slice cannot be used.
        """
        self._bookmarks.announce()
        self.state_manager.is_flushed = False

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], None, None]:
        """Write page by page: records, then the bookmark that is true once they are out.

        The SDK's loop would set the bookmark to each record's key, which is wrong as soon as a row
        commits late, and would spend most of a core on bookkeeping by record. Nothing is yielded
        but what is asked for without messages. Watched by tests/contract.
        """
        if not write_messages:
            yield from self.get_records(context)
            return
        for pause in self.passes():
            time.sleep(pause.seconds)

    def write_schema(self) -> None:
        """Write the SCHEMA, as the SDK's ``sync`` does before it reads."""
        self._write_schema_message()

    def passes(self) -> Generator[Pause, None, None]:
        """Write pass after pass; what comes out are the pauses to make before the next one."""
        extraction = self._extraction()
        clear = self._settings.clear_batches
        in_use = self._files.in_use(clear=clear) if self._files else nullcontext()
        report = ReadingReport(self._names.table)
        with in_use, report, self.get_record_counter() as counter, self.get_sync_timer():
            try:
                self._bookmarks.zone = extraction.key_zone  # connects
                self._bookmarks.mark_first()
                self.write_state()
                for parts, step in self._steps(extraction):
                    if isinstance(step, Pause):
                        yield step
                        continue
                    with self._stop.held_back():
                        self._write_page(step.rows)
                        self._bookmarks.update(parts, step, is_capped=extraction.is_capped)
                        self.write_state()
                    counter.increment(len(step.rows))
                    report.emitted(step, extraction.watermark, parts[0].end)
                    self._check_max_record_limit(extraction.emitted)
            finally:
                extraction.close()
        self._log_end(extraction)

    def _steps(
        self, extraction: Reading
    ) -> Iterator[tuple[Sequence[Part], Emission[HowFar] | Pause]]:
        """Each step, and the parts of the run from the one that it belongs to on."""
        self._bookmarks.zone = extraction.key_zone
        parts = self._bookmarks.parts
        for number, part in enumerate(parts):
            if extraction.is_capped:
                return
            progress = self._bookmarks.progress(part)
            if not part.is_read(progress):
                logger.info("reading %s from %s", self._names.table, progress)
                for step in extraction.emissions(progress, until=part.end):
                    yield parts[number:], step

    def write_state(self) -> None:
        """Write the whole state of the tap."""
        self.state_manager.is_flushed = False
        self._write_state_message()

    def _log_end(self, extraction: Reading) -> None:
        """Say what was done; raises ``NotCompleteError`` where a backfill is not complete."""
        read, late = extraction.emitted, extraction.late
        logger.info("done: read=%d late=%d", read, late, extra={"rows": read, "late": late})
        parts, watermark = self._bookmarks.parts, extraction.watermark
        part = self._bookmarks.first_unread(parts)
        if part is None or watermark is None or extraction.is_capped:
            return
        if (end := parts[-1].end) is not None:
            complete = self._bookmarks.progress(part).complete_before
            raise not_complete(complete, end, watermark, extraction.window)

    def _extraction(self) -> Reading:
        return self._open_extraction(self.selected_columns(), self.ABORT_AT_RECORD_COUNT)

    def selected_columns(self) -> set[str]:
        """What the SCHEMA names; nothing else is fetched."""
        names = self.schema["properties"]
        return {name for name in names if self.mask.get(("properties", name), True)}

    def _write_page(self, rows: Sequence[Row]) -> None:
        """Write messages that are RECORDs, or announce files; what is written is whole and out."""
        writer, files = self._writer, self._files
        if files is not None and len(rows) >= self._settings.batch_min_rows:
            for stream, records in self._by_stream(rows).items():
                with files.holding(stream, records) as manifest:
                    writer.write_batch(stream, files.encoding, manifest)
        elif self._is_plain():
            writer.write_records(self.name, rows)
        else:
            for row in rows:
                with maps.row_explained(self.stream_maps[0], partial(self._called, row)):
                    self._write_record_message(row.record())

    def _by_stream(self, rows: Sequence[Row]) -> Mapping[str, Sequence[Row | dict[str, Any]]]:
        """The rows as a target is to get them, under the streams that the maps make of this one.

        The SDK leaves its maps out of BATCH files, which then do not fit the SCHEMA before them.
        """
        if self._is_plain():
            return {self.name: rows} if rows else {}
        mapped: dict[str, list[Row | dict[str, Any]]] = {}
        for row in rows:
            with maps.row_explained(self.stream_maps[0], partial(self._called, row)):
                for message in self._generate_record_messages(row.record()):
                    mapped.setdefault(message.stream, []).append(message.record)
        return mapped

    def _called(self, row: Row) -> str:
        column = self._names.id_column
        return f"the row of {self._names.table} with {column} {row.record().get(column)}"

    def _is_plain(self) -> bool:
        """Whether rows go out as they are: no stream map, no flattening."""
        stream_map = self.stream_maps[0]
        return (
            len(self.stream_maps) == 1
            and isinstance(stream_map, SameRecordTransform)
            and not stream_map.flattening_enabled
        )
