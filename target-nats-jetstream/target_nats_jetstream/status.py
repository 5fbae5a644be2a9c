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

HEADINGS = ("pipeline", "last run", "result", "complete up to", "rows", "lag", "error")


@dataclass(frozen=True, slots=True)
class Status:
    """The ledger's rows and the stream's state at one moment (UTC)."""

    rows: Sequence[LedgerRow]
    stream: StreamState
    now: datetime

    def problems(self, max_age: timedelta | None) -> list[str]:
        """What an operator has to look at; empty when all is well."""
        found = [] if self.rows else ["the pipeline has never run"]
        for row in self.rows:
            if row.status == "FAILED":
                found.append(f"the last run of {row.program_name} failed: {row.error_message}")
            if max_age is not None and self._age(row.updated_at) > max_age:
                found.append(f"{row.program_name} has not moved since {_text(row.updated_at)}")
        return found

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
        stream = self.stream
        lines += [
            "",
            (
                f"{stream.name}: {stream.messages:,} messages, the last at "
                f"{_text(stream.last_at)}; {stream.dead_letters:,} dead letters"
            ),
            *(f"! {problem}" for problem in self.problems(max_age)),
        ]
        return "\n".join(lines)

    def _cells(self, row: LedgerRow) -> tuple[str, ...]:
        return (
            row.program_name,
            _text(row.last_run_time),
            row.status or "-",
            _text(row.last_successful_time),
            f"{row.records_processed:,}",
            span(self.lag(row)),
            row.error_message or "",
        )

    def as_json(self, max_age: timedelta | None) -> str:
        """One object: ``command``, ``ok``, ``problems``, ``pipelines``, ``stream``."""
        pipelines = [{**asdict(row), "lag_seconds": self._lag_seconds(row)} for row in self.rows]
        for pipeline in pipelines:
            del pipeline["singer_state"], pipeline["state_sequences"]
        problems = self.problems(max_age)
        found = {"command": "status", "ok": not problems, "problems": problems}
        return json.dumps(
            {**found, "pipelines": pipelines, "stream": asdict(self.stream)},
            default=lambda value: value.replace(tzinfo=UTC).isoformat(),
        )

    def _lag_seconds(self, row: LedgerRow) -> float | None:
        lag = self.lag(row)
        return None if lag == timedelta.max else round(lag.total_seconds(), 3)


def span(length: timedelta) -> str:
    """A length of time for people: ``45 s``, ``12 min``, ``3 h``, ``2 d``."""
    if length == timedelta.max:
        return "-"
    seconds = length.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def parse_span(text: str) -> timedelta:
    """A length of time like ``90s``, ``30m``, ``2h``, ``1d``.

    Raises:
        ConfigurationError: It is none.
    """
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if found is None:
        reason = f"--max-age {text!r} is no length of time"
        raise ConfigurationError(reason, "Write it like 90s, 30m, 2h or 1d")
    names = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    return timedelta(**{names[found[2]]: int(found[1])})


def _text(at: datetime | None) -> str:
    return "-" if at is None else at.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
