"""What can go wrong in the tap, as an operator needs to hear it.

Every error is one line, ``<what> <where>: <cause>. <remedy>``, with the exit code of the process.
The classes differ by what the operator has to do, not by where the error was found. An error never
carries a secret nor the content of a row.
"""

from __future__ import annotations

from typing import ClassVar


class TapError(Exception):
    """The base of all errors that the tap explains; exit code 1.

    Args:
        reason: What failed, where, and why: ``cannot reach Oracle at db:1521: connection refused``.
        remedy: What the operator can do: ``Check host, port and firewall``.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, reason: str, remedy: str) -> None:
        self.reason = " ".join(reason.split()).rstrip(".")
        self.remedy = " ".join(remedy.split()).rstrip(".")
        super().__init__(f"{self.reason}. {self.remedy}")


class ConfigurationError(TapError):
    """A setting is missing, unknown, contradictory or not usable; exit code 2."""

    exit_code = 2


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
