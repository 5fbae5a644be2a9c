"""What can go wrong in the target, as an operator needs to hear it.

Every error is one line, ``<what> <where>: <cause>. <remedy>``, with the exit code of the process.
The classes differ by what the operator has to do, not by where the error was found. An error never
carries a secret nor the content of a row.
"""

from __future__ import annotations

from typing import ClassVar


class TargetError(Exception):
    """The base of all errors that the target explains; exit code 1.

    Args:
        reason: What failed, where, and why: ``cannot reach NATS at nats://n1:4222: connection
        refused``.
        remedy: What the operator can do: ``Start the server or set servers``.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, reason: str, remedy: str) -> None:
        self.reason = " ".join(reason.split()).rstrip(".")
        self.remedy = " ".join(remedy.split()).rstrip(".")
        super().__init__(f"{self.reason}. {self.remedy}")


class ConfigurationError(TargetError):
    """A setting is missing, unknown, contradictory or not usable; exit code 2."""

    exit_code = 2


class AccessDeniedError(TargetError):
    """A server refuses the login or a right is missing; exit code 3."""

    exit_code = 3


class UnreachableError(TargetError):
    """A server does not answer, or not in time; exit code 4."""

    exit_code = 4


class DataError(TargetError):
    """The input cannot be published as it is; exit code 5."""

    exit_code = 5
