"""What all sessions of a stand-in share: account, database, faults, and the record of calls."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tools.oracle_stand_in.auth import VERIFIER_12C
from tools.oracle_stand_in.columns import Column
from tools.oracle_stand_in.database import Database
from tools.oracle_stand_in.faults import Faults
from tools.oracle_stand_in.messages import normalised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tools.oracle_stand_in.database import Row
    from tools.oracle_stand_in.messages import Bind

    Change = Callable[[tuple[Bind, ...]], None]


@dataclass(slots=True)
class Call:
    """One round trip after logon, as the server saw it.

    ``statement`` is the kind of ``statements.py`` ("" for a call without one), ``rows`` the rows
    sent, ``defines`` the type codes as which the client wants the columns with a LOB among them.
    """

    session: int
    name: str
    statement: str = ""
    sql: str = ""
    binds: tuple[Bind, ...] = ()
    defines: tuple[int, ...] = ()
    rows: int = 0
    error: int = 0


@dataclass(frozen=True, slots=True)
class Canned:
    """Columns and rows that a test has given for one text."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(repr=False)
class Instance:
    """What a test sets and reads.

    ``verifier`` may be set to the 10G one. ``unmatched`` (statements without an answer) and
    ``trouble`` (what the stand-in did not understand) must be empty at the end of every test.
    Where ``keeps_images``, the bytes of each row are made once, and kept in ``images``.
    """

    user: str = "TAP"
    password: str = "s3cret"
    service_name: str = "FREEPDB1"
    verifier: int = VERIFIER_12C
    database: Database = field(default_factory=Database)
    faults: Faults = field(default_factory=Faults)
    calls: list[Call] = field(default_factory=list)
    logons: list[dict[str, str]] = field(default_factory=list)
    session_texts: dict[str, str] = field(default_factory=dict)
    canned: dict[str, Canned] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)
    unmatched: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    keeps_images: bool = False
    images: dict[tuple[Column, ...], Callable[[Row], bytes]] = field(default_factory=dict)
    killed: int = 0
    logged_on: str = ""

    def answer(self, sql: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Answer ``sql`` with ``rows``; for texts that are no business of the tap."""
        self.canned[normalised(sql)] = Canned(tuple(map(Column.of, columns)), tuple(rows))

    def accept(self, sql: str, change: Change) -> None:
        """Take ``sql`` for a change: ``change`` gets the binds of each row, at COMMIT.

        It runs in the session's thread before the client learns that it has committed.
        """
        self.changes[normalised(sql)] = change

    def executed(self, statement: str) -> list[Call]:
        """The executions of one kind of statement, in order."""
        return [call for call in self.calls if call.statement == statement and call.sql]

    def round_trips(self) -> Counter[str]:
        """Number of calls by name; their sum is what the network saw after the logon."""
        return Counter(call.name for call in self.calls)
