"""What the ledger is told, and what it says: values and rules without I/O.

The row named ``program_name`` always exists and speaks for the whole pipeline: its time is the one
up to which *every* stream is complete, its count is the sum of all streams, and it holds the state.
Its name does not depend on the streams, nor on which of them comes first: it is the same in each
run. Once a pipeline has two streams, each has a row of its own beside it, ``program_name:stream``,
and keeps it. A stream's own row counts from the run in which it was made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


def wall_clock(text: str) -> datetime | None:
    """The time in a bookmark, by the clock of the replication key; None when it is no time.

    People compare LAST_SUCCESSFUL_TIME with that column: its digits stay, an offset is cut off and
    not applied. Digits beyond the microsecond are cut.
    """
    if not re.match(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:|$)", text):
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None


class StreamProgress(NamedTuple):
    """How far one stream is complete, and its records of this run.

    Args:
        complete_up_to: The bookmark, an ISO time; None for a stream that has no such bookmark.
        records: Records since the run began, not since the last checkpoint: told twice, or not told
            once, the sum is still right. What an earlier run has counted is not in it.
    """

    complete_up_to: str | None
    records: int

    @property
    def time(self) -> datetime | None:
        """``complete_up_to`` as the table has it."""
        return None if self.complete_up_to is None else wall_clock(self.complete_up_to)


@dataclass(frozen=True, slots=True)
class LedgerProgress:
    """A checkpoint: all streams of the pipeline, and the STATE that is true with these counts.

    Args:
        state_json: The STATE; None when none has come yet.
        sequence: Sequence in the JetStream stream up to which messages are in the counts. A run
            that finds later ones knows that a killed run has stored and not counted them.
    """

    streams: Mapping[str, StreamProgress]
    state_json: str | None
    sequence: int = 0

    @property
    def time(self) -> datetime | None:
        """Up to when all streams are complete that have a time at all."""
        return min((s.time for s in self.streams.values() if s.time is not None), default=None)

    @property
    def records(self) -> int:
        """The records of all streams."""
        return sum(stream.records for stream in self.streams.values())


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What the table says about a program, or about one stream of it."""

    program_name: str
    status: str | None
    last_run_time: datetime | None
    last_successful_time: datetime | None
    records_processed: int
    error_message: str | None
    singer_state: str | None
    stream_sequence: int | None
    updated_at: datetime | None

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> LedgerRow:
        """Read a row of the table; a column that the table does not have is None."""
        values: dict[str, Any] = {f.name: columns.get(f.name.upper()) for f in fields(cls)}
        values["records_processed"] = values["records_processed"] or 0
        return cls(**values)
