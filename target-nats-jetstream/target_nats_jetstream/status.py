"""``--status``: how the pipeline stands, for a terminal, for monitoring, and as an exit code.

Pure: what the ledger and the stream say goes in, text and verdict come out.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from target_nats_jetstream.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_nats_jetstream.ledger.row import LedgerRow
    from target_nats_jetstream.publisher.inspection import StreamState

#: What a row is that says RUNNING while no run is at work.
DEAD = "DEAD"
HEADINGS = ("pipeline", "last run", "result", "complete up to", "rows", "lag", "error")


@dataclass(frozen=True, slots=True)
class Status:
    """The ledger's rows and the stream's state at one moment.

    Args:
        is_running: Whether a run is at work: a row that is RUNNING without one is of a dead run.
        now: UTC.
    """

    rows: Sequence[LedgerRow]
    is_running: bool
    stream: StreamState
    now: datetime

    def problems(self, max_age: timedelta | None) -> list[str]:
        """What an operator has to look at; empty when all is well."""
        found = [] if self.rows else ["the pipeline has never run"]
        for row in self.rows:
            if row.status == "FAILED":
                found.append(f"the last run of {row.program_name} failed: {row.error_message}")
            if max_age is not None and self._age(row.updated_at) > max_age:
                found.append(
                    f"{row.program_name} has made no progress since {_text(row.updated_at)}"
                )
        if self.rows and self.result(self.rows[0]) == DEAD:
            begun = _text(self.rows[0].last_run_time)
            found.append(
                f"the run of {self.rows[0].program_name} that started at {begun} was killed. Start "
                "it again; it continues where it left off"
            )
        if not self.stream.exists:
            found.append(f"stream {self.stream.name} does not exist on this server or account")
        return found

    def result(self, row: LedgerRow) -> str:
        """The status of a row, or DEAD where it only says that it is running."""
        if not self.is_running and row.runs_with(self.rows[0]):
            return DEAD
        return row.status or "-"

    def lag(self, row: LedgerRow) -> timedelta:
        """How far the complete time is behind now, where the replication key is in UTC."""
        return self._age(row.last_successful_time)

    def _age(self, at: datetime | None) -> timedelta:
        return timedelta.max if at is None else self.now - at.replace(tzinfo=UTC)

    def as_text(self, max_age: timedelta | None) -> str:
        """A table of the pipelines, a line on the stream, a line for each problem."""
        table = [HEADINGS, *(self._cells(row) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)).rstrip()
            for cells in table
        ]
        lines += ["", self._stream_line(), *(f"! {problem}" for problem in self.problems(max_age))]
        return "\n".join(lines)

    def _stream_line(self) -> str:
        stream = self.stream
        letters = counted(stream.dead_letters, "dead letter")
        if stream.dead_letters_in_file:
            letters += f", {stream.dead_letters_in_file:,} more in `dead_letter_file`"
        if not stream.exists:
            return f"{stream.name}: missing; {letters}"
        messages = counted(stream.messages, "message")
        return f"{stream.name}: {messages}, the last at {_text(stream.last_at)}; {letters}"

    def _cells(self, row: LedgerRow) -> tuple[str, ...]:
        return (
            row.program_name,
            _text(row.last_run_time),
            self.result(row),
            _text(row.last_successful_time),
            f"{row.records_processed:,}",
            format_lag(self.lag(row)),
            self._error(row) or "",
        )

    def _error(self, row: LedgerRow) -> str | None:
        """Why the last run failed: while one is at work, the table still has that of another."""
        return None if row.status == "RUNNING" else row.error_message

    def as_json(self, max_age: timedelta | None) -> str:
        """One object: ``command``, ``ok``, ``problems``, ``pipelines``, ``stream``."""
        pipelines = [self._as_object(row) for row in self.rows]
        problems = self.problems(max_age)
        found = {"command": "status", "ok": not problems, "problems": problems}
        return json.dumps(
            {**found, "pipelines": pipelines, "stream": asdict(self.stream)},
            default=lambda value: value.replace(tzinfo=UTC).isoformat(),
        )

    def _as_object(self, row: LedgerRow) -> dict[str, object]:
        shown: dict[str, object] = asdict(row)
        del shown["singer_state"], shown["state_sequences"]
        seen = {"status": self.result(row), "error_message": self._error(row)}
        return {**shown, **seen, "lag_seconds": self._lag_seconds(row)}

    def _lag_seconds(self, row: LedgerRow) -> float | None:
        lag = self.lag(row)
        return None if lag == timedelta.max else round(lag.total_seconds(), 3)


def counted(number: int, noun: str) -> str:
    """``1 dead letter``, ``1,204 dead letters``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_lag(length: timedelta) -> str:
    """A length of time for people: ``45 s``, ``12 min``, ``3 h``, ``2 d``."""
    if length == timedelta.max:
        return "-"
    seconds = length.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def parse_duration(text: str) -> timedelta:
    """A length of time like ``90s``, ``30m``, ``2h``, ``1d``.

    Raises:
        ConfigurationError: It is none.
    """
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if found is None:
        reason = f"--max-age {text!r} is not a duration"
        raise ConfigurationError(reason, "Write it like 90s, 30m, 2h or 1d")
    names = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    return timedelta(**{names[found[2]]: int(found[1])})


def _text(at: datetime | None) -> str:
    return "-" if at is None else at.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
