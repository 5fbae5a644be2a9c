"""How the pipeline stands, and whether an operator has to look at it.

Pure: what was found out goes in, the verdict comes out. What cannot be found out is the error that
says why, and takes nothing else with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from target_nats_jetstream.errors import (
    AccessDeniedError,
    ConfigurationError,
    TargetError,
    one_line,
)
from target_nats_jetstream.ledger.row import DEAD, RUNNING
from target_nats_jetstream.status.slices import SliceProgress, is_over
from target_nats_jetstream.status.words import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_nats_jetstream.ledger.row import LedgerRow, RunRow, Standing
    from target_nats_jetstream.publisher.inspection import StreamState

T = TypeVar("T")


class Severity(Enum):
    """How bad a problem is; the value is the exit code of a monitoring plugin."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class Problem(NamedTuple):
    """What an operator has to look at."""

    severity: Severity
    text: str


def found_out(question: Callable[[], T]) -> T | TargetError:
    """The answer, or why there is none."""
    try:
        return question()
    except TargetError as error:
        return error


def result_of(row: LedgerRow, standing: Standing) -> str:
    """The status of a row, or DEAD where it only says that it is running."""
    if not standing.is_running and row.runs_with(standing.rows[0]):
        return DEAD
    return row.status or "-"


def error_of(row: LedgerRow) -> str | None:
    """Why the last run failed: while one is at work, the table still has that of another."""
    return None if row.status == RUNNING else row.error_message


class Sum(NamedTuple):
    """Several pipelines as one.

    Args:
        rows: The records of all of them.
        slowest: The row that is complete up to the earliest time, or up to none at all.
    """

    rows: int
    slowest: LedgerRow


@dataclass(frozen=True, slots=True)
class Status:
    """What the ledger, the stream and the file of dead letters say at one moment.

    Args:
        ledger: The pipelines that were asked for.
        stream_name: Of the stream that the settings name.
        letters_in_file: Dead letters in ``dead_letter_file``, of all pipelines that use it.
        now: UTC.
        max_age: How long a pipeline may be without progress.
        program: The pattern that was asked for; None for the pipeline of the settings.
        runs: The newest runs of the pipelines, the newest first; none where no history is kept.
    """

    ledger: Sequence[Standing] | TargetError
    stream_name: str
    stream: StreamState | TargetError
    letters_in_file: int | TargetError
    now: datetime
    max_age: timedelta | None = None
    program: str | None = None
    runs: Sequence[RunRow] | TargetError = ()

    @property
    def standings(self) -> Sequence[Standing]:
        """The pipelines of which anything is known."""
        found = () if isinstance(self.ledger, TargetError) else self.ledger
        return [standing for standing in found if standing.rows]

    @property
    def sum(self) -> Sum | None:
        """Several pipelines as one; None where there are not several."""
        rows = [standing.rows[0] for standing in self.standings]
        if len(rows) < 2:
            return None
        slowest = min(rows, key=lambda row: row.last_successful_time or datetime.min)  # noqa: DTZ901 - without a zone as they are
        return Sum(sum(row.records_processed for row in rows), slowest)

    @property
    def slices(self) -> SliceProgress | None:
        """Slices of a backfill as one; None where anything else is asked for, too."""
        return SliceProgress.of([standing.rows[0] for standing in self.standings])

    @property
    def dead_letters(self) -> int:
        """As many as are known of."""
        in_stream = 0 if isinstance(self.stream, TargetError) else self.stream.dead_letters
        in_file = 0 if isinstance(self.letters_in_file, TargetError) else self.letters_in_file
        return in_stream + in_file

    @property
    def problems(self) -> list[Problem]:
        """What an operator has to look at; empty when all is well."""
        parts = (self._of_pipelines(), _unknown(self.runs), self._of_stream())
        return [*chain(*parts), *_unknown(self.letters_in_file)]

    @property
    def exit_code(self) -> int:
        """0 when all is well; 1 when there is something to look at; 2 when a setting is wrong; 3 or
        4 when neither server can be asked.
        """
        asked = (self.ledger, self.stream, self.letters_in_file)
        if any(isinstance(one, ConfigurationError) for one in asked):
            return ConfigurationError.exit_code
        if isinstance(self.ledger, TargetError) and isinstance(self.stream, TargetError):
            return min(self.ledger.exit_code, self.stream.exit_code)
        return 1 if self.problems else 0

    @property
    def history(self) -> list[tuple[RunRow, str]]:
        """The runs with their results: a RUNNING one is dead unless it is the newest one of a
        pipeline that is at work.
        """
        at_work = {one.rows[0].program_name for one in self.standings if one.is_running}
        found = []
        for run in () if isinstance(self.runs, TargetError) else self.runs:
            is_dead = run.status == RUNNING and run.program_name not in at_work
            found.append((run, DEAD if is_dead else run.status or "-"))
            at_work.discard(run.program_name)
        return found

    def lag(self, row: LedgerRow) -> timedelta | None:
        """How far the complete time is behind now, where the replication key is in UTC."""
        return self._since(row.last_successful_time)

    def age(self, row: LedgerRow) -> timedelta | None:
        """How long ago there was progress; None if there never was."""
        return self._since(row.updated_at)

    def _since(self, at: datetime | None) -> timedelta | None:
        return None if at is None else self.now - at.replace(tzinfo=UTC)

    def _of_pipelines(self) -> Iterator[Problem]:
        yield from _unknown(self.ledger)
        if not isinstance(self.ledger, TargetError) and not self.standings:
            never = "the pipeline has never run"
            if self.program is not None:
                never = f"no pipeline in the ledger has a name like {self.program}"
            yield Problem(Severity.WARNING, never)
        for standing in self.standings:
            own = standing.rows[0]
            for row in standing.rows:
                yield from self._of_row(row, own)
            if result_of(own, standing) == DEAD:
                yield _critical(
                    f"the run of {own.program_name} that started at "
                    f"{format_time(own.last_run_time)} was killed. Start it again; it continues "
                    "where it left off"
                )

    def _of_row(self, row: LedgerRow, own: LedgerRow) -> Iterator[Problem]:
        is_told = row != own and row.last_run_time == own.last_run_time
        if row.status == "FAILED" and not is_told:
            yield _critical(f"the last run of {row.program_name} failed: {row.error_message}")
        age = self.age(row)
        is_old = self.max_age is not None and (age is None or age > self.max_age)
        # That of a stream which is not read any more stays as it is, and that of a finished slice.
        if is_old and row == own and not is_over(own):
            since = format_time(row.updated_at)
            yield _critical(f"{row.program_name} has made no progress since {since}")

    def _of_stream(self) -> Iterator[Problem]:
        yield from _unknown(self.stream)
        if not isinstance(self.stream, TargetError) and not self.stream.exists:
            yield _critical(f"stream {self.stream_name} does not exist on this server or account")


def _critical(text: str) -> Problem:
    return Problem(Severity.CRITICAL, one_line(text))  # others write to the table, too


def _unknown(answer: object) -> Iterator[Problem]:
    """What cannot be found out: a server that is away stops the pipeline, too."""
    if isinstance(answer, TargetError):
        ours = isinstance(answer, ConfigurationError | AccessDeniedError)
        yield Problem(Severity.UNKNOWN if ours else Severity.CRITICAL, str(answer))
