"""The settings that apply to every source: what to read, in which time zone, and how to reconnect.

`PROPERTIES` is the only list of their names, defaults and descriptions.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tap_oracle_txlog import properties
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.properties import fraction, text, titled, whole
from tap_oracle_txlog.source import TableNames

if TYPE_CHECKING:
    from collections.abc import Mapping

_COLUMNS = "Columns to read, without it all; replication key and id are always read."
_ZONE = "Zone of times that are stored without one, as Europe/Vienna; without it, they are UTC."

PROPERTIES = titled(
    {
        "table": text("Table or view, upper case unless in double quotes.", "SPC.TXLOG_EVENTS"),
        "replication_key": text("Column with the time of a row's insertion.", "EVENT_TIMESTAMP"),
        "id_column": text("Column that is unique and never NULL; orders rows of one time.", "ID"),
        "columns": {
            "type": ["array", "null"],
            "items": {"type": "string"},
            "description": _COLUMNS,
        },
        "source_timezone": text(_ZONE),
        "max_retries": whole(
            "Attempts to come back after the database was lost; 15 last 3 to 5 minutes.", 15, 0
        ),
        "initial_backoff": fraction("Seconds before the first of them.", 1, 0),
        "max_backoff": fraction("Most seconds between two of them.", 30, 0),
        "backoff_multiplier": fraction("Growth of the wait from each to the next.", 2, 1),
    }
)

value = partial(properties.value, PROPERTIES)
number = partial(properties.number, PROPERTIES)


def table_names(config: Mapping[str, Any]) -> TableNames:
    """The names of the table and its columns exactly as they are configured."""
    table = config["table"]
    return TableNames(
        stream=table.rpartition(".")[2],
        table=table,
        replication_key=config["replication_key"],
        id_column=config["id_column"],
        columns=tuple(config.get("columns") or ()),
    )


def source_zone(config: Mapping[str, Any]) -> ZoneInfo | None:
    """The zone of times that are stored without one; None for UTC.

    Raises:
        ConfigurationError: There is no zone of that name.
    """
    if (name := value(config, "source_timezone")) is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as cause:
        reason = f"setting `source_timezone`: {name!r:.60} is no time zone"
        raise ConfigurationError(reason, "Use a name such as Europe/Vienna") from cause
