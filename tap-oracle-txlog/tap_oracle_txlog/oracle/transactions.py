"""Which question about open transactions to ask next, over all connections of a process.

What is refused is not asked again. What fails or hangs is set aside for a while, with one warning
that names the views, and the next question takes its place: a sick node must not end the run.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from tap_oracle_txlog.oracle.host_clock import in_utc, measured, wall_time
from tap_oracle_txlog.oracle.session import OPEN_TRANSACTIONS
from tap_oracle_txlog.rules.timestamps import seconds_between
from tap_oracle_txlog.rules.watermark import NoneOpen, NotReadable, Oldest, OpenTransactions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_oracle_txlog.oracle.introduction import Moment
    from tap_oracle_txlog.oracle.statements import Statement
    from tap_oracle_txlog.rules.timestamps import Instant

logger = logging.getLogger(__name__)

ASIDE_SECONDS: Final = 600
"""For so long something else is asked, after a question has failed."""
LOSSES: Final = 2
"""So often a question may cost the connection before it is taken for the cause."""
CLOCKS_APART_SECONDS: Final = 5
"""A transaction that starts further in the future than this was not timed by the same clock."""


class TransactionViews:
    """What a process knows of the views of its database."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = dict(enumerate(OPEN_TRANSACTIONS))
        self._aside: dict[int, float] = {}
        self._losses: Counter[int] = Counter()
        self._warned: set[str] = set()
        self.sees_one_node = False

    def questions(self) -> Iterator[tuple[int, Statement]]:
        """Those that may be asked now, from most to least telling."""
        for number, (_, statement) in list(self._left.items()):
            if self._aside.get(number, 0) <= self._clock():
                yield number, statement

    def refused(self, number: int) -> None:
        """The user has not the right: it is never asked again."""
        del self._left[number]

    def answered(self, number: int) -> None:
        """It works."""
        self._losses[number] = 0
        self.sees_one_node = number == len(OPEN_TRANSACTIONS) - 1

    def lost(self, number: int, error: Exception) -> None:
        """The connection broke while it was asked, perhaps because of it."""
        self._losses[number] += 1
        if self._losses[number] >= LOSSES:
            self.failed(number, error)

    def failed(self, number: int, error: Exception) -> None:
        """It is not asked for a while."""
        self._losses[number] = 0
        self._aside[number] = self._clock() + ASIDE_SECONDS
        views, _ = self._left[number]
        self.warn_once(
            f"late commits: {views} cannot be read ({error}). Using less detailed views for "
            f"{ASIDE_SECONDS // 60} min"
        )

    def warn_of_limits(self, found: OpenTransactions, grant: str) -> None:
        """Warn where less is seen than there is."""
        if isinstance(found, NotReadable):
            self.warn_once(f"late commits: {found.why}. {found.remedy}")
        elif self.sees_one_node:
            self.warn_once(
                "late commits: only the transactions of one node can be read; on a cluster, those"
                f" of other nodes are not seen. {grant}"
            )

    def warn_once(self, text: str) -> None:
        """Warn once in a process, however often it connects."""
        if text not in self._warned:
            self._warned.add(text)
            logger.warning("%s", text)


def oldest(row: Sequence[str | int | None], now: Moment, connected: Instant) -> OpenTransactions:
    """What an answer means.

    Args:
        row: As `OPEN_TRANSACTIONS` describes it.
        now: The time, and what the clock of the host shows.
        connected: When this connection was made (UTC).
    """
    started, sid, user, xid, logged_on, answering, nodes = row
    if answering is not None and int(answering) < int(nodes or 0):
        return NotReadable(
            f"only {answering} of {nodes} nodes of the cluster answer for GV$TRANSACTION",
            "Check PARALLEL_MAX_SERVERS, and the nodes that do not answer",
            right_missing=False,
        )
    if started is None:
        return NoneOpen()
    began = wall_time(str(started))
    at = in_utc(began, now.host_offset, now.clock)
    if logged_on is not None:  # in a PDB with a time zone of its own, SYSTIMESTAMP has that one
        offset = measured(wall_time(str(logged_on)), connected)
        at = min(at, in_utc(began, offset, now.clock))
    ahead = seconds_between(at, now.clock)
    if ahead > CLOCKS_APART_SECONDS:
        return NotReadable(
            f"a transaction of V$TRANSACTION starts {ahead:.0f} s in the future",
            "Have the clocks of the database hosts synchronised",
            right_missing=False,
        )
    return Oldest(at, _holder(sid, user), identity=str(xid or ""))


def _holder(sid: str | int | None, user: str | int | None) -> str:
    if sid is not None:
        return f"sid {sid}, user {user}"
    return str(user or "")
