"""The settings of every source: what to read, in which time zone, and how to reconnect."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from tap_oracle_txlog.backoff import Backoff
from tap_oracle_txlog.config import Settings, refuse, setting
from tap_oracle_txlog.rules.filter import Filter
from tap_oracle_txlog.source import TableNames


class SourceSettings(Settings, frozen=True, kw_only=True, dict=True):
    """What is read, and how often an attempt is repeated."""

    never_blank = ("table",)

    table: Annotated[str, setting("Table or view, upper case unless in double quotes.")] = (
        "SPC.TXLOG_EVENTS"
    )
    replication_key: Annotated[str, setting("Column with the time of a row's insertion.")] = (
        "EVENT_TIMESTAMP"
    )
    id_column: Annotated[
        str,
        setting("Column that is unique and never NULL. It orders rows with the same timestamp."),
    ] = "ID"
    columns: Annotated[
        list[str] | None,
        setting("Columns to read; all if not set. Replication key and id are always read."),
    ] = None
    filter: Annotated[
        dict[str, Any] | None,
        setting(
            "With `replay`: read only the rows that have one of these values in each of these "
            "columns, such as {CASE_ID: [C0137], EVENT_TYPE: [PAYMENT_POSTED]}; null for NULL."
        ),
    ] = None
    source_timezone: Annotated[
        str | None,
        setting("Time zone of times stored without one, such as Europe/Vienna; UTC if not set."),
    ] = None
    max_retries: Annotated[
        int,
        setting(
            "Attempts to reconnect to the database after the connection is lost; 15 take 3 to 5 "
            "minutes.",
            ge=0,
        ),
    ] = 15
    backoff: Annotated[
        tuple[Annotated[float, Meta(ge=0)], ...],
        setting(
            "Seconds before each of these attempts, separated by commas; the last one repeats. "
            "A random part of up to half is taken off.",
            min_length=1,
        ),
    ] = (1, 2, 4, 8, 16, 30)

    @cached_property
    def zone(self) -> ZoneInfo | None:
        """The zone of times that are stored without one; None for UTC.

        Raises:
            ConfigurationError: There is no zone of that name.
        """
        if self.source_timezone is None:
            return None
        try:
            return ZoneInfo(self.source_timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            what = f"is not a time zone: {self.source_timezone!r:.60}"
            refuse("source_timezone", what, "Use a name such as Europe/Vienna")

    @cached_property
    def row_filter(self) -> Filter:
        """Which rows are read, by the names of columns exactly as they are configured.

        Raises:
            ConfigurationError: The filter is not one.
        """
        return Filter.of(self.filter)

    @property
    def names(self) -> TableNames:
        """The names of the table and its columns exactly as they are configured."""
        return TableNames(
            stream=self.table.rpartition(".")[2],
            table=self.table,
            replication_key=self.replication_key,
            id_column=self.id_column,
            columns=tuple(self.columns or ()),
        )

    def waits(self) -> Backoff:
        """The waits before each attempt to reconnect."""
        return Backoff(self.backoff, self.max_retries)
