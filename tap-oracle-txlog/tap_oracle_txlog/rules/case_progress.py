"""How far the cases of a table have been put together, and how the state says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from typing_extensions import override

from tap_oracle_txlog.errors import DataError
from tap_oracle_txlog.rules.bookmark import Place
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import Instant, instant, minus, plus
from tap_oracle_txlog.rules.watermark import LastPass  # noqa: TC001  # msgspec reads the annotation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_oracle_txlog.rules.cases import End

VERSION: Final = 1
_RESET: Final = "Set it back, or remove this bookmark from the state: then all cases are sent again"


class CaseBookmark(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The member of the state. It has no ``replication_key_value``: how far the events are complete
    is for their own stream to say.
    """

    start: str
    assembled_up_to: str
    position: Place
    assemble_by: str
    table: str
    clocks: LastPass | None = None
    v: int = VERSION


class CaseProgress(msgspec.Struct, frozen=True):
    """The events up to ``frontier`` are taken, and every end is out that was certain before
    ``settled``, which is not before the frontier. Ends before ``start`` are not wanted.
    """

    table: str
    assemble_by: str
    quiet: float
    start: Instant
    frontier: Position
    settled: Instant
    clocks: LastPass | None = None

    @override
    def __str__(self) -> str:
        """For people."""
        return f"{self.frontier.at}; cases that ended before {self.settled} were already emitted"

    @classmethod
    def from_bookmark(
        cls,
        written: Mapping[str, Any],
        *,
        start: Instant,
        table: str,
        assemble_by: str,
        quiet: float,
    ) -> CaseProgress:
        """Resume from a bookmark, or begin at ``start`` where there is none.

        Raises:
            DataError: It is damaged, or of other cases.
        """
        known = {name: value for name, value in written.items() if name in _MEMBERS}
        if not known:
            return cls(table, assemble_by, quiet, start, Position.before(start), start)
        try:
            found = msgspec.convert(known, CaseBookmark)
            frontier = Position(instant(found.position.at), found.position.id)
            start = instant(found.start)
            settled = max(instant(found.assembled_up_to), frontier.at)
        except (msgspec.ValidationError, ValueError) as cause:
            raise _unusable(table, str(cause)) from cause
        for name, ours in (("table", table), ("assemble_by", assemble_by), ("v", VERSION)):
            if (theirs := getattr(found, name)) != ours:
                raise _unusable(table, f"its {name} is {theirs}, not {ours}")
        return cls(table, assemble_by, quiet, start, frontier, settled, found.clocks)

    def to_bookmark(self) -> dict[str, Any]:
        """The member of the state."""
        written = CaseBookmark(
            start=self.start,
            assembled_up_to=self.settled,
            position=Place(*self.frontier),
            assemble_by=self.assemble_by,
            table=self.table,
            clocks=self.clocks,
        )
        found: dict[str, Any] = msgspec.to_builtins(written)
        return found

    def wants(self, end: End, until: Instant | None) -> bool:
        """Whether it is one of the part that is read, which ends before ``until``."""
        at = end.position.at
        return self.start <= at and (until is None or at < until)

    def covers(self, end: Instant) -> bool:
        """Whether every case is out that has ended with an event before ``end``."""
        return self.settled >= plus(end, self.quiet)

    @property
    def complete_before(self) -> Instant:
        """Every case is out that has ended with an event before then."""
        return minus(self.settled, self.quiet)


_MEMBERS: Final = frozenset(CaseBookmark.__struct_fields__)


def _unusable(table: str, why: str) -> DataError:
    return DataError(f"cannot use the bookmark of the cases of {table}: {why}", _RESET)
