"""``--digest``: digests of buckets of time instead of rows, as Singer messages.

They are ordinary messages, so that any target can take them; a target that holds the rows compares
them with its own. Buckets end at the watermark: what may still become visible is in none of them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.reader import Reader
from tap_oracle_txlog.row import encode
from tap_oracle_txlog.rules.watermark import choose_watermark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_oracle_txlog.rules.digests import Digest
    from tap_oracle_txlog.rules.slices import Slice
    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.source import Source
    from tap_oracle_txlog.table import Table

SUFFIX: Final = "_digests"
"""Of the stream that has the digests of another one."""
_TEXT: Final = {"type": "string"}
_PROPERTIES: Final = {
    "stream": _TEXT,
    "since": _TEXT,
    "before": _TEXT,
    "rows": {"type": "integer"},
    "digest": _TEXT,
}


def lines(tables: Iterable[Table], interval: str) -> Iterator[str]:
    """The Singer messages for all tables.

    Args:
        tables: Each with the time that is read, in its settings.
        interval: The length of a bucket: ``1h``.

    Raises:
        TapError: A source refuses or is away, or the time cannot be cut so.
    """
    for table in tables:
        yield from (encode(message).decode() for message in _messages(table, interval))


def _messages(table: Table, interval: str) -> Iterator[dict[str, Any]]:
    name = f"{table.names.stream}{SUFFIX}"
    yield _state(name, {"reading": True})
    schema = {"type": "object", "properties": _PROPERTIES}
    keys = {"key_properties": ["since"], "bookmark_properties": ["since"]}
    yield {"type": "SCHEMA", "stream": name, "schema": schema, **keys}
    for bucket, (rows, total) in _digests(table, interval):
        record: dict[str, object] = {
            "stream": table.names.stream,
            "since": bucket.start,
            "before": bucket.end,
        }
        record |= {"rows": rows, "digest": str(total)}
        yield {"type": "RECORD", "stream": name, "record": record}
    yield _state(name, {})


def _state(name: str, bookmark: dict[str, object]) -> dict[str, Any]:
    return {"type": "STATE", "value": {"bookmarks": {name: bookmark}}}


def _digests(table: Table, interval: str) -> Iterator[tuple[Slice, Digest]]:
    how, waits = table.settings.tap.extraction, table.settings.source.waits
    reader = Reader(table.open_source, how.page_size, waits=waits, sleep=time.sleep)

    def watermark(source: Source, _: int) -> Instant:
        _refuse_zone(source)
        clock = source.clock()
        return choose_watermark(
            clock,
            source.open_transactions(),
            strategy=how.strategy,
            lookback=how.lookback,
            skew=how.skew,
        ).at

    try:
        for bucket in table.settings.tap.buckets(interval, reader.ask(watermark)):
            yield bucket, reader.ask(lambda source, _, at=bucket: source.digest(*at))  # type: ignore[misc]
    finally:
        reader.close()


def _refuse_zone(source: Source) -> None:
    """A database would have to bring each key to UTC, as the tap does with rows."""
    if source.key_zone is not None:
        reason = "--digest works with times in UTC only, but `source_timezone` is set"
        raise ConfigurationError(reason, "Compare the rows: leave out --digest")
