"""What the ledger is told, and what it says: values and rules without I/O.

The row named ``program_name`` always exists and speaks for the whole pipeline: its time is the one
up to which *every* stream is complete, its count is the sum of all streams, and it holds the state.
Its name does not depend on the streams, nor on which of them comes first: it is the same in each
run. Once a pipeline has two streams, each has a row of its own beside it, ``program_name:stream``,
and keeps it. A stream's own row counts from the run in which it was made.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from target_nats_jetstream import bookmarks, completed
from target_nats_jetstream.ledger.sequences import StateSequences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

#: Years before it are our tap's way to say that nothing is complete, and no DATETIME of MariaDB.
FIRST_YEAR: Final = 1000
#: The status of a run at work; what is shown for one that says so and was killed; its error.
RUNNING: Final = "RUNNING"
DEAD: Final = "DEAD"
KILLED: Final = "the run was killed"


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
        """``complete_up_to`` as the table has it; None also where nothing is complete."""
        return _known(self.wall_clock)

    @property
    def wall_clock(self) -> datetime | None:
        """``complete_up_to`` as a time; None where it is none."""
        return None if self.complete_up_to is None else completed.wall_clock(self.complete_up_to)


@dataclass(frozen=True, slots=True)
class LedgerProgress:
    """A checkpoint: how far the streams are, and the STATE that is true with these counts.

    Args:
        streams: The streams of ``state``, and those that sent records.
        state: The STATE as the tap wrote it; None when none has come yet. The ledger puts it onto
            the one that it has.
        sequence: Sequence in the JetStream stream up to which messages are in the counts. A run
            that finds later ones knows that a killed run has stored and not counted them.
        state_sequence: Sequence of the last message before ``state``; 0 when there is none.
        places: See ``StateSequences``.
        stream: Which JetStream stream the sequences are of, see ``StateSequences``. Empty where
            that is not known: then ``state_sequence`` is not remembered.
    """

    streams: Mapping[str, StreamProgress]
    state: Mapping[str, object] | None
    sequence: int = 0
    state_sequence: int = 0
    stream: str = ""
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def time(self) -> datetime | None:
        """Up to when all streams are complete that have a time at all."""
        times = [time for each in self.streams.values() if (time := each.wall_clock) is not None]
        return _known(min(times, default=None))

    @property
    def records(self) -> int:
        """The records of all streams."""
        return sum(stream.records for stream in self.streams.values())

    def without_test_stream(self) -> LedgerProgress:
        """The progress of the pipeline without what ``meltano config test`` sends."""
        streams = {n: part for n, part in self.streams.items() if n != bookmarks.TEST_STREAM}
        state = None if self.state is None else bookmarks.without_test_stream(self.state)
        return replace(self, streams=streams, state=state if state or not self.state else None)


def _known(time: datetime | None) -> datetime | None:
    return None if time is None or time.year < FIRST_YEAR else time


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
    state_sequences: str | None
    updated_at: datetime | None

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> LedgerRow:
        """Read a row of the table; a column that the table does not have is None.

        Raises:
            ValueError: RECORDS_PROCESSED is not a number.
        """
        values: dict[str, Any] = {f.name: columns.get(f.name.upper()) for f in fields(cls)}
        values["records_processed"] = int(values["records_processed"] or 0)
        return cls(**values)

    def runs_with(self, other: LedgerRow) -> bool:
        """Whether both are RUNNING since the same run began."""
        ours, theirs = ((row.status, row.last_run_time) for row in (self, other))
        return ours == theirs and self.status == RUNNING

    @property
    def state(self) -> dict[str, object]:
        """The STATE that the pipeline has come to; empty where none can be read."""
        return bookmarks.decode(self.singer_state or "{}") or {}

    @property
    def sequences(self) -> StateSequences:
        """Where the last STATEs stood; empty where the table does not say or cannot be read."""
        return StateSequences.from_json(self.state_sequences) or StateSequences()

    @property
    def damaged(self) -> list[str]:
        """The columns that hold what the ledger has not written."""
        texts = {
            "SINGER_STATE": bookmarks.decode(self.singer_state or "{}"),
            "STATE_SEQUENCES": StateSequences.from_json(self.state_sequences),
        }
        return [name for name, found in texts.items() if found is None]


@dataclass(frozen=True, slots=True)
class RunRow:
    """What the history says about a run. Times are UTC; what only its end tells is None before.

    Args:
        records_processed: What the run has added to the pipeline's RECORDS_PROCESSED.
        dead_letters: Those of the run.
    """

    program_name: str
    run_id: str
    began_at: datetime | None
    ended_at: datetime | None
    status: str | None
    records_processed: int | None
    dead_letters: int | None
    error_message: str | None

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> RunRow:
        """Read a row of the table; a column that the table does not have is None."""
        values: dict[str, Any] = {one.name: columns.get(one.name.upper()) for one in fields(cls)}
        return cls(**values)


class Standing(NamedTuple):
    """How a pipeline stands: its row, then those of its streams, and whether a run is at work."""

    rows: Sequence[LedgerRow]
    is_running: bool


def by_pipeline(rows: Iterable[LedgerRow]) -> dict[str, list[LedgerRow]]:
    """The rows of several pipelines, each with those of its streams behind it.

    Args:
        rows: In any order. ``A:B`` is of a stream of A if there is a row A, and a pipeline if not.
    """
    found: dict[str, list[LedgerRow]] = {}
    for row in sorted(rows, key=lambda row: row.program_name):
        parts = row.program_name.split(":")
        names = (":".join(parts[:count]) for count in range(1, len(parts)))
        owner = next((name for name in names if name in found), row.program_name)
        found.setdefault(owner, []).append(row)
    return found
