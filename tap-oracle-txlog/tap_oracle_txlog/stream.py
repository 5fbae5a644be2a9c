"""The Singer stream: writes what ``Extraction`` reads, and the bookmark after each page."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import Schema
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_oracle_txlog.batch_files import BatchFiles
from tap_oracle_txlog.catalog import merged
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.keyset import Progress
from tap_oracle_txlog.settings import TapSettings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from singer_sdk.helpers.types import Context
    from singer_sdk.singerlib import Catalog

    from tap_oracle_txlog.extraction import Batch, Extraction
    from tap_oracle_txlog.row import Row
    from tap_oracle_txlog.source import Names
    from tap_oracle_txlog.tap import TapOracleTxlog
    from tap_oracle_txlog.timestamps import Instant

logger = logging.getLogger(__name__)


class EventStream(Stream):
    """The rows of one table, in the order of (replication key, id)."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # sources give JSON-ready rows

    def __init__(self, tap: TapOracleTxlog, names: Names, json_schema: Mapping[str, Any]) -> None:
        super().__init__(tap, schema=dict(json_schema), name=names.stream)
        self._tap: TapOracleTxlog = tap
        self._names = names
        self._files = self._batch_files()
        self._name_columns()

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
        if self.replication_method != REPLICATION_INCREMENTAL:
            reason = f"the catalog asks for {self.replication_method} replication of {self.name}"
            remedy = "Choose INCREMENTAL; to read all rows again, run without a state"
            raise ConfigurationError(reason, remedy)

    def _fit_to_table(self, catalog: Catalog) -> None:
        """Have SCHEMA and maps say of each column what the table has; say where that is new."""
        if (entry := catalog.get_stream(self.name)) is None or not self.selected:
            remedy = "Select it in the catalog, or run without one"
            logger.warning(
                "the catalog selects nothing of %s: no row is read. %s", self.name, remedy
            )
            return
        stored = entry.schema.to_dict()
        table = self.schema["properties"]
        properties, differences = merged(table, stored.get("properties") or {})
        if differences:
            logger.warning(
                "the catalog differs from %s: %s. Reading it as it is; discover the catalog anew",
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
    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """Give none: the SDK would make files of rows without regard for where a STATE stands."""

    def _batch_files(self) -> BatchFiles | None:
        """Where rows go in place of stdout, if so configured."""
        try:
            config = super().get_batch_config(self.config)
        except TypeError as error:  # the SDK makes objects of what the config holds
            reason = f"`batch_config` is not complete: {error}"
            remedy = "It has an encoding with format and compression, and a storage with root"
            raise ConfigurationError(reason, remedy) from error
        if config is None:
            return None
        return BatchFiles(
            config.storage,
            form=config.encoding.format,
            compression=config.encoding.compression,
            size=config.batch_size,
        )

    @override
    def get_records(self, context: Context | None) -> Generator[dict[str, Any], None, None]:
        """The rows alone, without messages and bookmark; a sync reads them page by page."""
        extraction = self._extraction()
        try:
            for _, batch in self._batches(extraction):
                yield from (row.record() for row in batch.rows)
        finally:
            extraction.close()

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
        extraction = self._extraction()
        with self.get_record_counter() as counter, self.get_sync_timer():
            try:
                for state, batch in self._batches(extraction):
                    bookmark = batch.progress.to_bookmark()
                    if extraction.late:  # for the last line of the target
                        bookmark["late"] = extraction.late
                    with self._tap.stop.held_back():
                        self._write_page(batch.rows)
                        self._bookmark(state, bookmark)
                    counter.increment(len(batch.rows))
                    self._check_max_record_limit(extraction.emitted)
            finally:
                extraction.close()
        logger.info("done: read=%d", extraction.emitted, extra={"rows": extraction.emitted})

    def _batches(self, extraction: Extraction) -> Iterator[tuple[dict[str, Any], Batch]]:
        """Each batch and the member of the state that its bookmark goes to.

        A backfill has one member a slice, among the stream's partitions: the tail's is not touched.
        """
        zone = extraction.key_zone
        settings = TapSettings.from_config(self.config, zone)
        if not settings.backfill:
            state = self.stream_state
            for batch in extraction.batches(self._progress(state, settings.start, zone)):
                yield state, batch
        for start, end in settings.backfill:
            if extraction.is_capped:
                return
            state = self.get_context_state({"start": start, "end": end})
            progress = self._progress(state, start, zone)
            if not progress.covers(end):
                for batch in extraction.batches(progress, until=end):
                    yield state, batch

    def _extraction(self) -> Extraction:
        settings = self._tap.settings.extraction
        if (limit := self.ABORT_AT_RECORD_COUNT) is not None:
            settings = dataclasses.replace(settings, page_size=min(limit, settings.page_size))
        return self._tap.extraction(settings, self._selected_columns())

    def _selected_columns(self) -> set[str]:
        """What the SCHEMA names; nothing else is fetched."""
        names = self.schema["properties"]
        return {name for name in names if self.mask.get(("properties", name), True)}

    def _progress(
        self, state: Mapping[str, Any], start: Instant, zone: ZoneInfo | None
    ) -> Progress:
        progress = Progress.from_bookmark(
            state,
            start=start,
            replication_key=self._names.replication_key,
            table=self._names.table,
            zone=zone,
        )
        logger.info(
            "reading %s from %s on, beyond it %d rows are out already",
            self._names.table,
            progress.complete.at,
            progress.emitted.count,
        )
        return progress

    def _write_page(self, rows: Sequence[Row]) -> None:
        """Write messages that are RECORDs, or announce files; what is written is whole and out."""
        writer, files = self._tap.message_writer, self._files
        if files is not None:
            for stream, records in self._by_stream(rows).items():
                with files.holding(stream, records) as manifest:
                    writer.write_batch(stream, files.encoding, manifest)
        elif self._is_plain():
            writer.write_records(self.name, rows)
        else:
            for row in rows:
                self._write_record_message(row.record())

    def _by_stream(self, rows: Sequence[Row]) -> Mapping[str, Sequence[Row | dict[str, Any]]]:
        """The rows as a target is to get them, under the streams that the maps make of this one.

        The SDK leaves its maps out of BATCH files, which then do not fit the SCHEMA before them.
        """
        if self._is_plain():
            return {self.name: rows} if rows else {}
        mapped: dict[str, list[Row | dict[str, Any]]] = {}
        for row in rows:
            for message in self._generate_record_messages(row.record()):
                mapped.setdefault(message.stream, []).append(message.record)
        return mapped

    def _bookmark(self, state: dict[str, Any], bookmark: dict[str, object]) -> None:
        kept: dict[str, Any] = {n: state[n] for n in ("context", "partitions") if n in state}
        state.clear()
        state.update(kept, **bookmark)
        self.state_manager.is_flushed = False
        self._write_state_message()

    def _is_plain(self) -> bool:
        """Whether rows go out as they are: no stream map, no flattening."""
        stream_map = self.stream_maps[0]
        return (
            len(self.stream_maps) == 1
            and isinstance(stream_map, SameRecordTransform)
            and not stream_map.flattening_enabled
        )
