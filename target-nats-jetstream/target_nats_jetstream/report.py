"""What a person sees of a run: a start line, few progress lines, one last line that carries the
verdict.

Meltano's console drops everything but the message, so the numbers stand in the words; the same
numbers go along as fields for those who read the log as JSON.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from target_nats_jetstream.publisher.outstanding import PublishCounts

logger = logging.getLogger(__name__)

#: Progress lines: every ten seconds in the first minute, then every minute.
EARLY_SECONDS, EARLY_UNTIL, LATER_SECONDS = 10.0, 60.0, 60.0


class Report:
    """The lines of one run.

    Args:
        statistics_every: After how many checkpoints there are statistics; 0 for never.
    """

    def __init__(self, statistics_every: int = 0) -> None:
        self._started_at = time.monotonic()
        self._statistics_every = statistics_every
        self._checkpoints = 0
        self._complete_up_to: datetime | None = None
        self.next_at = self._started_at + EARLY_SECONDS

    def started(self, ledger: str | None) -> None:
        """Say where the progress is kept."""
        place = ledger or "no ledger: neither mariadb_host nor ledger_url is set"
        logger.info("progress is kept in %s", place)

    def checkpoint(self, complete_up_to: datetime | None) -> None:
        """Remember up to which replication value everything is complete."""
        self._complete_up_to = complete_up_to or self._complete_up_to
        logger.debug("checkpoint: complete up to %s", self._complete_up_to)

    def passed_on(self, read: int, counts: PublishCounts) -> None:
        """A STATE has left; print statistics when they are due."""
        self._checkpoints += 1
        if not self._statistics_every or self._checkpoints % self._statistics_every:
            return
        fields = self._fields(read, counts) | {"checkpoints": self._checkpoints}
        logger.info("statistics of this run:", extra=fields)
        for name, value in self._statistics(read, counts):
            logger.info("  %-22s %s", name, value)

    def _statistics(self, read: int, counts: PublishCounts) -> Iterator[tuple[str, str]]:
        seconds = time.monotonic() - self._started_at
        done = counts.published + counts.duplicates + counts.dead_letters
        yield "uptime", str(timedelta(seconds=round(seconds)))
        yield "checkpoints", f"{self._checkpoints:,}"
        yield "records read", f"{read:,} ({read / seconds:,.0f}/s)"
        yield "messages published", f"{counts.published:,}"
        yield "duplicates", f"{counts.duplicates:,}"
        yield "dead letters", f"{counts.dead_letters:,}"
        yield "not acknowledged yet", f"{read - done:,}"
        yield "connections to NATS", f"{counts.epochs:,}"
        yield "complete up to", str(self._complete_up_to or "-")

    def progress(self, read: int, counts: PublishCounts) -> None:
        """Print a progress line when one is due."""
        now = time.monotonic()
        if now < self.next_at:
            return
        seconds = now - self._started_at
        self.next_at = now + (EARLY_SECONDS if seconds < EARLY_UNTIL else LATER_SECONDS)
        logger.info(
            "progress: read=%d published=%d (%s/s), complete up to %s",
            read,
            counts.published,
            f"{counts.published / seconds:,.0f}",
            self._complete_up_to or "-",
            extra={"read": read, "published": counts.published, "seconds": round(seconds, 3)},
        )

    def done(self, read: int, counts: PublishCounts) -> None:
        """Print the last line of a run that succeeded."""
        if not read:
            logger.info("done: nothing new since %s", self._complete_up_to or "the beginning")
            return
        logger.info("done: %s", self._summary(read, counts), extra=self._fields(read, counts))

    def ended(self, read: int, counts: PublishCounts) -> None:
        """Print the last line of a run that did not get to the end of its input."""
        logger.info(
            "ended early: %s; unacknowledged records are resent by the next run",
            self._summary(read, counts),
            extra=self._fields(read, counts),
        )

    def _summary(self, read: int, counts: PublishCounts) -> str:
        seconds = time.monotonic() - self._started_at
        return (
            f"read={read} published={counts.published} duplicates={counts.duplicates} "
            f"dead_letters={counts.dead_letters} "
            f"in {seconds:.1f} s ({read / seconds:,.0f}/s); "
            f"complete up to {self._complete_up_to or '-'}"
        )

    def _fields(self, read: int, counts: PublishCounts) -> dict[str, object]:
        return {
            "read": read,
            "published": counts.published,
            "duplicates": counts.duplicates,
            "dead_letters": counts.dead_letters,
            "seconds": round(time.monotonic() - self._started_at, 3),
        }
