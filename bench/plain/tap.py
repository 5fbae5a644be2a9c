"""A tap as the SDK's template gives it: one stream over the rows of a SQLite table."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.helpers.types import Context

QUERY = """
SELECT ID, CASE_ID, EVENT_TYPE, EVENT_DATA,
       replace(EVENT_TIMESTAMP, ' ', 'T') || '+00:00' AS EVENT_TIMESTAMP,
       replace(CREATED_AT, ' ', 'T') || '+00:00' AS CREATED_AT
FROM TXLOG_EVENTS WHERE TXLOG_EVENTS.EVENT_TIMESTAMP >= ? ORDER BY TXLOG_EVENTS.EVENT_TIMESTAMP, ID
"""


class EventsStream(Stream):
    """The rows since the bookmark."""

    name = "TXLOG_EVENTS"
    primary_keys = ("ID",)
    replication_key = "EVENT_TIMESTAMP"
    schema = th.PropertiesList(
        th.Property("ID", th.IntegerType),
        th.Property("CASE_ID", th.StringType),
        th.Property("EVENT_TYPE", th.StringType),
        th.Property("EVENT_DATA", th.StringType),
        th.Property("EVENT_TIMESTAMP", th.DateTimeType),
        th.Property("CREATED_AT", th.DateTimeType),
    ).to_dict()

    @override
    def get_records(self, context: Context | None) -> Iterable[dict[str, Any]]:
        since = self.get_starting_replication_key_value(context) or ""
        with closing(sqlite3.connect(self.config["path"])) as connection:
            rows = connection.execute(QUERY, (since[:26].replace("T", " "),))
            names = [column[0] for column in rows.description]
            for row in rows:
                yield dict(zip(names, row, strict=True))


class PlainTap(Tap):
    """The tap."""

    name = "tap-plain"
    config_jsonschema = th.PropertiesList(
        th.Property("path", th.StringType, required=True)
    ).to_dict()

    @override
    def discover_streams(self) -> list[Stream]:
        return [EventsStream(self)]


if __name__ == "__main__":
    PlainTap.cli()
