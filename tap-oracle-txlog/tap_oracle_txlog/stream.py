"""The Singer stream: writes what ``Extraction`` reads, and the bookmark after each page."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from typing_extensions import override

from tap_oracle_txlog.keyset import Progress
from tap_oracle_txlog.settings import TapSettings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from singer_sdk.helpers.types import Context
    from singer_sdk.singerlib import Catalog

    from tap_oracle_txlog.extraction import Batch, Extraction
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
        self._name_columns()

    def _name_columns(self) -> None:
        self.primary_keys = (self._names.id_column,)
        self.replication_key = self._names.replication_key

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Take the selection from the catalog; key and replication key are settings, not
        choices.
        """
        super().apply_catalog(catalog)
        self._name_columns()

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Give none: the bookmark is the watermark's affair, not that of this host's clock."""

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        """Leave errors to the entry point: the SDK announces each once more, without its cause."""
        level = logging.DEBUG if level >= logging.ERROR else level
        super().log(message, *args, level=level, **kwargs)

    @override
    def get_records(self, context: Context | None) -> Generator[dict[str, Any], None, None]:
        return self._sync_records(context, write_messages=False)

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], None, None]:
        """Write page by page: records, then the bookmark that is true once they are out.

        The SDK's loop would set the bookmark to each record's key, which is wrong as soon as a row
        commits late, and would spend most of a core on bookkeeping by record. It reads the rows
        that are yielded only to make BATCH files of them. Watched by tests/contract.
        """
        extraction = self._extraction()
        with self.get_record_counter() as counter, self.get_sync_timer():
            try:
                for state, batch in self._batches(extraction):
                    if write_messages:
                        self._write_page(batch.rows)
                    else:
                        yield from batch.rows
                    counter.increment(len(batch.rows))
                    bookmark = batch.progress.to_bookmark()
                    if extraction.late:  # for the last line of the target
                        bookmark["late"] = extraction.late
                    self._bookmark(state, bookmark, write_messages=write_messages)
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
        return self._tap.extraction(settings)

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

    def _write_page(self, rows: Sequence[dict[str, Any]]) -> None:
        with self._tap.stop.held_back():
            if self._is_plain():
                self._tap.message_writer.write_records(self.name, rows)
            else:
                for row in rows:
                    self._write_record_message(row)

    def _bookmark(
        self, state: dict[str, Any], bookmark: dict[str, object], *, write_messages: bool
    ) -> None:
        kept: dict[str, Any] = {n: state[n] for n in ("context", "partitions") if n in state}
        state.clear()
        state.update(kept, **bookmark)
        self.state_manager.is_flushed = False
        if write_messages:
            with self._tap.stop.held_back():
                self._write_state_message()

    def _is_plain(self) -> bool:
        """Whether rows go out as they are: all columns selected, no stream map, no flattening."""
        stream_map = self.stream_maps[0]
        return (
            len(self.stream_maps) == 1
            and isinstance(stream_map, SameRecordTransform)
            and not stream_map.flattening_enabled
            and all(self.mask.get(("properties", name), True) for name in self.schema["properties"])
        )
