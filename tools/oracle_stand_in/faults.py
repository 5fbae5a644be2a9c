"""What goes wrong, when, and how often.

A fault strikes at a moment (``connect``, ``logon``, or a call: ``execute``, ``fetch``, ``ping``,
``commit``, ``rollback``, ``logoff``), counted from when it was set, optionally only at one kind of
statement (``statements.py``). Effects act on the client's connection:

>>> faults.set("fetch", error(1555, "snapshot too old"), nth=3, statement="page")
>>> faults.set("execute", run(late.commit), nth=2, statement="page")  # commits after page 1
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.oracle_stand_in.channel import Channel


class Refused(Exception):  # noqa: N818 - an answer of the listener
    """The listener's refusal; its number is all that the client understands of it."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class OracleError(Exception):
    """An ORA error as the answer to a call or a logon; after a call the session lives on."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"ORA-{code:05}: {text}")
        self.code = code


Effect: TypeAlias = "Callable[[Channel], None]"
"""Raises one of the above, waits, ends the connection, or only does something."""


def refuse(code: int) -> Effect:
    """The listener's refusal (only at ``connect``): 12514, 12516, 12528, ..."""

    def effect(_: Channel) -> None:
        raise Refused(code)

    return effect


def error(code: int, text: str = "set by the test") -> Effect:
    def effect(_: Channel) -> None:
        raise OracleError(code, text)

    return effect


def silence() -> Effect:
    """No answer, until the client breaks the call off or goes."""
    return lambda channel: channel.wait(None)


def slow(seconds: float) -> Effect:
    return lambda channel: channel.wait(seconds)


def drop() -> Effect:
    """The connection is reset instead of an answer."""
    return lambda channel: channel.drop()


def cut(rows: int) -> Effect:
    """The connection is reset behind the next ``rows`` rows, in the middle of an answer."""

    def effect(channel: Channel) -> None:
        channel.rows_to_live = rows

    return effect


def run(action: Callable[[], None]) -> Effect:
    """No fault at all: something happens in the database, and the call goes on."""
    return lambda _: action()


@dataclass
class Fault:
    at: str
    effect: Effect
    statement: str
    nth: int
    times: int
    seen: int = 0
    struck: int = 0

    def is_due(self, at: str, statement: str) -> bool:
        if at != self.at or self.statement not in {"", statement}:
            return False
        self.seen += 1
        due = self.seen >= self.nth and self.struck < self.times
        self.struck += due
        return due


class Faults:
    """The faults that are set; may be changed while sessions run."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = Lock()

    def set(
        self, at: str, effect: Effect, *, nth: int = 1, times: int = 1, statement: str = ""
    ) -> None:
        """Let ``effect`` strike from the ``nth`` such moment on, ``times`` times."""
        with self._lock:
            self._faults.append(Fault(at, effect, statement, nth, times))

    def struck(self, at: str) -> int:
        """How often the faults set for ``at`` have struck."""
        with self._lock:
            return sum(fault.struck for fault in self._faults if fault.at == at)

    def strike(self, at: str, channel: Channel, statement: str = "") -> None:
        with self._lock:
            due = [fault.effect for fault in self._faults if fault.is_due(at, statement)]
        for effect in due:
            effect(channel)
