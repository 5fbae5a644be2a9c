"""A status as text for people, as JSON for programs, and as the line of a monitoring plugin."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from datetime import UTC
from typing import TYPE_CHECKING, Any

from target_nats_jetstream.errors import TargetError, one_line
from target_nats_jetstream.status.slices import is_over
from target_nats_jetstream.status.verdict import Problem, Severity, error_of, result_of
from target_nats_jetstream.status.words import counted, format_length, format_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from target_nats_jetstream.ledger.row import LedgerRow, Standing
    from target_nats_jetstream.status.verdict import Status

HEADINGS = ("pipeline", "last run", "result", "complete up to", "rows", "lag", "error")
RUN_HEADINGS = ("run of", "began", "ended", "result", "rows", "dead letters", "error")
#: What of a row is shown to nobody: it is long, and for the target alone.
INTERNAL = ("singer_state", "state_sequences")
#: The worst first.
RANKS = (Severity.CRITICAL, Severity.UNKNOWN, Severity.WARNING, Severity.OK)


def as_text(status: Status) -> str:
    """A table of the pipelines (without slices that are complete), their sum, a table of their
    runs, a line on the stream, a line for each problem.
    """
    cells = list(_cells(status))
    lines = [_table([HEADINGS, *cells])] if cells else []
    lines += [_sum_line(status)] if status.sum or status.slices else []
    if status.history:
        lines += ["", _table([RUN_HEADINGS, *_run_cells(status)])]
    lines += [""] if lines else []
    lines += [_stream_line(status), *(f"! {problem.text}" for problem in status.problems)]
    return "\n".join(lines)


def _table(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def _cells(status: Status) -> Iterator[tuple[str, ...]]:
    shown = (one for one in status.standings if not (status.slices and is_over(one.rows[0])))
    for standing in shown:
        for row in standing.rows:
            cells = (
                row.program_name,
                format_time(row.last_run_time),
                result_of(row, standing),
                format_time(row.last_successful_time),
                f"{row.records_processed:,}",
                format_length(status.lag(row)),
                error_of(row) or "",
            )
            yield tuple(map(one_line, cells))


def _run_cells(status: Status) -> Iterator[tuple[str, ...]]:
    for run, result in status.history:
        counts = (run.records_processed, run.dead_letters)
        cells = (
            run.program_name,
            format_time(run.began_at),
            format_time(run.ended_at),
            result,
            *("-" if count is None else f"{count:,}" for count in counts),
            run.error_message or "",
        )
        yield tuple(map(one_line, cells))


def _results(standings: Sequence[Standing]) -> Counter[str]:
    return Counter(result_of(standing.rows[0], standing) for standing in standings)


def _sum_line(status: Status) -> str:
    """``3 pipelines (2 SUCCESS, 1 RUNNING): 300 rows; slowest M_B, complete up to …, lag 2 h``; of
    slices see ``SliceProgress``.
    """
    if status.slices is not None:
        return str(status.slices)
    if (total := status.sum) is None:
        return ""
    results = ", ".join(f"{n:,} {name}" for name, n in _results(status.standings).most_common())
    return (
        f"{counted(len(status.standings), 'pipeline')} ({results}): {counted(total.rows, 'row')}; "
        f"slowest {one_line(total.slowest.program_name)}, complete up to "
        f"{format_time(total.slowest.last_successful_time)}, "
        f"lag {format_length(status.lag(total.slowest))}"
    )


def _stream_line(status: Status) -> str:
    in_file = status.letters_in_file
    more = 0 if isinstance(in_file, TargetError) else in_file
    stream = status.stream
    if isinstance(stream, TargetError):
        known = f"; {counted(more, 'dead letter')} in `dead_letter_file`" if more else ""
        return f"{status.stream_name}: unknown{known}"
    letters = counted(stream.dead_letters, "dead letter")
    letters += f", {more:,} more in `dead_letter_file`" if more else ""
    if not stream.exists:
        return f"{stream.name}: missing; {letters}"
    messages = counted(stream.messages, "message")
    return f"{stream.name}: {messages}, the last at {format_time(stream.last_at)}; {letters}"


def as_json(status: Status) -> str:
    """One object: ``command``, ``ok``, ``problems``, ``pipelines``, ``sum``, ``slices``, ``runs``,
    ``stream``.

    What is not known is null.
    """
    problems = [problem.text for problem in status.problems]
    rows = [
        _as_object(status, row, standing) for standing in status.standings for row in standing.rows
    ]
    runs = [{**asdict(run), "status": result} for run, result in status.history]
    found = {
        "command": "status",
        "ok": not problems,
        "problems": problems,
        "pipelines": None if isinstance(status.ledger, TargetError) else rows,
        "sum": _sum_as_object(status),
        "slices": _slices_as_object(status),
        "runs": None if isinstance(status.runs, TargetError) else runs,
        "stream": _stream_as_object(status),
    }
    return json.dumps(found, default=lambda value: value.replace(tzinfo=UTC).isoformat())


def failure_as_json(error: TargetError) -> str:
    """What is printed where nothing can be said of the pipeline."""
    return json.dumps({"command": "status", "ok": False, "problems": [str(error)]})


def _as_object(status: Status, row: LedgerRow, standing: Standing) -> dict[str, Any]:
    shown = {name: value for name, value in asdict(row).items() if name not in INTERNAL}
    seen = {"status": result_of(row, standing), "error_message": error_of(row)}
    return {**shown, **seen, "lag_seconds": _seconds(status.lag(row))}


def _slices_as_object(status: Status) -> dict[str, Any] | None:
    if (found := status.slices) is None:
        return None
    return {
        "done": found.done,
        "total": found.total,
        "records_processed": found.rows,
        "slowest": found.slowest,
        "left_seconds": _seconds(found.left),
    }


def _sum_as_object(status: Status) -> dict[str, Any] | None:
    if (total := status.sum) is None:
        return None
    return {
        "pipelines": len(status.standings),
        "results": dict(_results(status.standings)),
        "records_processed": total.rows,
        "slowest": total.slowest.program_name,
        "lag_seconds": _seconds(status.lag(total.slowest)),
    }


def _stream_as_object(status: Status) -> dict[str, Any]:
    stream, in_file = status.stream, status.letters_in_file
    unknown = dict.fromkeys(("exists", "messages", "last_at", "dead_letters"))
    return {
        "name": status.stream_name,
        **(unknown if isinstance(stream, TargetError) else asdict(stream)),
        "dead_letters_in_file": None if isinstance(in_file, TargetError) else in_file,
    }


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else round(length.total_seconds(), 3)


def as_plugin_line(status: Status) -> tuple[str, int]:
    """The one line of a monitoring plugin, and its exit code.

    The form is that of the Monitoring Plugins: ``STATE - text | label=value;warn;crit;min``. A bar
    in the text would end it.
    """
    problems = list(status.problems)
    if letters := status.dead_letters:
        problems.append(Problem(Severity.WARNING, counted(letters, "dead letter")))
    problems.sort(key=lambda problem: RANKS.index(problem.severity))
    severity = problems[0].severity if problems else Severity.OK
    text = "; ".join(problem.text for problem in problems) or _all_well(status)
    return _plugin_line(severity, text, " ".join(_measures(status)))


def failure_as_plugin_line(error: TargetError) -> tuple[str, int]:
    """The line where nothing can be said of the pipeline."""
    return _plugin_line(Severity.UNKNOWN, str(error), "")


def _plugin_line(severity: Severity, text: str, measures: str) -> tuple[str, int]:
    line = f"{severity.name} - {one_line(text).replace('|', '/')}"
    return f"{line} | {measures}" if measures else line, severity.value


def _all_well(status: Status) -> str:
    if status.sum is not None or status.slices is not None:
        return _sum_line(status)
    row = status.standings[0].rows[0]
    return (
        f"{row.program_name} {row.status}, complete up to {format_time(row.last_successful_time)}, "
        f"{counted(row.records_processed, 'row')}"
    )


def _measures(status: Status) -> Iterator[str]:
    rows = [standing.rows[0] for standing in status.standings]
    limit = "" if status.max_age is None else f";;{status.max_age.total_seconds():.0f}"
    for label, lengths, critical in (
        ("age", [status.age(row) for row in rows], limit),
        ("lag", [status.lag(row) for row in rows], ""),
    ):
        if known := [length for length in lengths if length is not None]:
            yield f"{label}={max(known).total_seconds():.0f}s{critical}"
    if rows:
        yield f"rows={sum(row.records_processed for row in rows)}c"
    if not isinstance(status.stream, TargetError):
        yield f"messages={status.stream.messages}"
    yield f"dead_letters={status.dead_letters};0;;0"
