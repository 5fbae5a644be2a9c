"""What the doctor finds, and how a report of it is shown, counted and turned into an exit code.

Nothing is asked here. The same text stands in the other package.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MARKS: Final = {"ok": "[OK]", "warning": "[WARN]", "failed": "[FAIL]"}
SYMBOLS: Final = {"ok": "✓", "warning": "!", "failed": "✗"}


class Ending(Protocol):
    """An error that a run ends by."""

    exit_code: ClassVar[int]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Args:
        status: Whether something is to be done.
        text: What is the case, in one line.
        remedy: What to do; empty for nothing.
        fix: The one command that does it, as it can be pasted into a shell or an SQL prompt; empty
            where there is no such command.
        exit_code: That of a run that ends by it.
    """

    status: Literal["ok", "warning", "failed"]
    text: str
    remedy: str = ""
    fix: str = ""
    exit_code: int = 0


def passed(text: str) -> Finding:
    """Nothing is to be done."""
    return Finding("ok", text)


def warning(text: str, remedy: str, fix: str = "") -> Finding:
    """It works, but slowly, or with a promise less."""
    return Finding("warning", text, remedy, fix)


def failed(text: str, remedy: str, error: type[Ending], fix: str = "") -> Finding:
    """A run would end with ``error``, or lose rows."""
    return Finding("failed", text, remedy, fix, error.exit_code)


class Line(NamedTuple):
    """A finding in its place in the report."""

    group: str
    check: str
    finding: Finding

    def about(self, what: str) -> Line:
        """The same finding, where there are several things that it may be about."""
        return self._replace(finding=replace(self.finding, text=f"{what}: {self.finding.text}"))


class Report(NamedTuple):
    """All lines, in the order in which things have to be put right."""

    lines: Sequence[Line]

    @property
    def result(self) -> dict[str, Any]:
        """For programs."""
        return {"checks": [{"group": at, "check": name} | asdict(f) for at, name, f in self.lines]}

    @property
    def summary(self) -> str:
        """How many of each kind, in one line."""
        count = self._count
        warnings = "1 warning" if count["warning"] == 1 else f"{count['warning']} warnings"
        summary = f"{count['ok']} passed, {warnings}, {count['failed']} failed"
        return f"{summary}. Fix what failed and run it again" if count["failed"] else summary

    def exit_code(self, *, strict: bool) -> int:
        """That of the first thing that has to be put right; with ``strict`` 1 for warnings."""
        failures = (line.finding for line in self.lines if line.finding.status == "failed")
        otherwise = int(strict and self._count["warning"] > 0)
        return min((finding.exit_code for finding in failures), default=otherwise)

    @property
    def text(self) -> Iterator[str]:
        """The lines for people."""
        can_draw = sys.stdout.isatty() and sys.stdout.encoding.lower() == "utf-8"
        marks = SYMBOLS if can_draw else MARKS
        for group, lines in groupby(self.lines, key=lambda line: line.group):
            head = group
            for _, check, finding in lines:
                yield f"{head:<12}{marks[finding.status]:<8}{check:<14}{finding.text}"
                yield from _remedies(finding)
                head = ""

    @property
    def _count(self) -> Counter[str]:
        return Counter(line.finding.status for line in self.lines)


def _remedies(finding: Finding) -> Iterable[str]:
    if finding.remedy:
        yield f"{'':<20}-> {finding.remedy}"
    if finding.fix and finding.fix != finding.remedy:
        yield f"{'':<23}{finding.fix}"


def document(
    command: str, *, exit_code: int, summary: str = "", result: object = None, error: str | None
) -> dict[str, object]:
    """What a command prints with --json: one object of the same members, whatever has happened."""
    return {
        "command": command,
        "ok": exit_code == 0,
        "summary": summary,
        "result": result,
        "error": error,
    }
