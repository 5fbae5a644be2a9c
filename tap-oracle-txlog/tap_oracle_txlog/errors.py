"""What can go wrong in the tap, as an operator needs to hear it.

Every error is one line, ``<what> <where>: <cause>. <remedy>``, with the exit code of the process.
The classes differ by what the operator has to do, not by where the error was found. An error never
contains a secret, and of a row no more than its key. The text of a Python or library error can
(``invalid literal for int() with base 10: 'a value'``), so only its type and place are reported.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import ClassVar

#: How much of a call stack is shown.
SHOWN_FRAMES = 40
#: Names come from others, and may be of any length.
SHOWN_CHARACTERS = 2_000


def one_line(text: str) -> str:
    """``text`` as part of a line: no line breaks, nothing that moves a cursor, not too long."""
    line = " ".join(text.split())
    if len(line) > SHOWN_CHARACTERS:
        line = f"{line[:SHOWN_CHARACTERS]}…"
    return "".join(one if one.isprintable() else "?" for one in line)


class TapError(Exception):
    """The base of all errors that the tap explains; exit code 1.

    Args:
        reason: What failed, where, and why: ``cannot reach Oracle at db:1521: connection refused``.
        remedy: What the operator can do: ``Check host, port and firewall``.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, reason: str, remedy: str) -> None:
        self.reason = one_line(reason).rstrip(". ")
        self.remedy = one_line(remedy).rstrip(".")
        stop = "" if self.reason.endswith("?") else "."  # click asks what was meant
        super().__init__(f"{self.reason}{stop} {self.remedy}")


class ConfigurationError(TapError):
    """A setting is missing, unknown, contradictory or not usable; exit code 2.

    Args:
        reason: As for every error.
        remedy: Likewise.
        setting: Its name; empty where it is not one alone.
    """

    exit_code = 2

    def __init__(self, reason: str, remedy: str, *, setting: str = "") -> None:
        super().__init__(reason, remedy)
        self.setting = setting


class AccessDeniedError(TapError):
    """The database refuses the login or a right is missing; exit code 3."""

    exit_code = 3


class SourceUnreachableError(TapError):
    """The database does not answer, or not in time; exit code 4."""

    exit_code = 4


class DataError(TapError):
    """The data or the given state cannot be used as they are; exit code 5."""

    exit_code = 5


class NotCompleteError(TapError):
    """All that is visible was read, and rows of the span may still be committed; exit code 6."""

    exit_code = 6


def place_of(error: BaseException) -> str:
    """The type of an error that is not ours, and where it was raised; never its text."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    last = frames[-1]
    path = "/".join(Path(last.filename).parts[-2:])
    return f"{type(error).__name__} at {path}:{last.lineno} in {last.name}"


def call_stack(error: BaseException) -> str:
    """The lines of code on the way to an error and to its causes, for the log at DEBUG; never their
    texts.
    """
    ways: list[str] = []
    one: BaseException | None = error
    while one is not None:
        frames = traceback.extract_tb(one.__traceback__)[-SHOWN_FRAMES:]
        way = " > ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
        ways.append(f"{type(one).__name__} ({way})")
        one = one.__cause__ or one.__context__
    return " because of ".join(ways)


def unexpected(error: Exception) -> TapError:
    """An error that no rule explains: a bug in this package. Its own text is not shown."""
    return TapError(f"unexpected {place_of(error)}", "Set `log_level: DEBUG` to see the call stack")
