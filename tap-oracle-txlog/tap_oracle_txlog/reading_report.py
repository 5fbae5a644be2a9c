"""What a person sees of a long read: how much of its time span is read, and what may be left.

A bar on a terminal, a line every ten seconds elsewhere. How many messages that makes, and how fast,
is for the target to say.
"""

from __future__ import annotations

import logging
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from tap_oracle_txlog.rules.durations import format_duration
from tap_oracle_txlog.rules.timestamps import seconds_between

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Never, Self, TextIO

    from tap_oracle_txlog.reading import Emission
    from tap_oracle_txlog.rules.parts import HowFar
    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.rules.watermark import Watermark

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 10.0
#: A bar for less would only flicker.
SHORT_SECONDS: Final = 2.0
_BAR: Final = "{desc}: {percentage:3.0f} %|{bar}| {elapsed} so far, about {remaining} left{postfix}"


class ReadingReport:
    """How far the passes of one run have come; to be used as a context.

    Args:
        table: What is read, for people.
        clock: Seconds, from any moment on.
        terminal: Where to draw a bar; standard error, if people see it.
    """

    def __init__(
        self,
        table: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        terminal: TextIO | None = None,
    ) -> None:
        self._table = table
        self._clock = clock
        self._terminal = terminal or (sys.stderr if sys.stderr.isatty() else None)
        self._stack = ExitStack()
        self._bar: tqdm[Never] | None = None
        self._start: Instant | None = None
        self._began = self._next = 0.0

    def __enter__(self) -> Self:
        """Let log lines appear above the bar."""
        if self._terminal is not None:
            self._stack.enter_context(logging_redirect_tqdm())
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the terminal as it was."""
        self._end_pass()
        self._stack.close()

    def emitted(
        self, emission: Emission[HowFar], watermark: Watermark | None, until: Instant | None
    ) -> None:
        """Rows are out.

        Args:
            emission: They, and how far the run has come.
            watermark: Up to where the pass reads all; rows of later times are still coming in.
            until: The end of a backfill.
        """
        if emission.ends_pass or watermark is None:
            self._end_pass()
        else:
            end = watermark.at if until is None else min(until, watermark.at)
            self._page(emission.progress.frontier.at, end)

    def _page(self, at: Instant, end: Instant) -> None:
        if self._start is None:
            self._begin(at)
            return
        whole, done = seconds_between(end, self._start), seconds_between(at, self._start)
        if not 0 < done < whole:
            return
        if self._bar is not None:
            self._bar.total = whole
            self._bar.set_postfix_str(f"at {at[:19]}", refresh=False)
            self._bar.update(done - self._bar.n)
        elif (now := self._clock()) >= self._next:
            self._next = now + EVERY_SECONDS
            self._say(at, end, done / whole, (now - self._began) * (whole - done) / done)

    def _end_pass(self) -> None:
        self._start = None
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _begin(self, at: Instant) -> None:
        self._start, self._began = at, self._clock()
        self._next = self._began + EVERY_SECONDS
        if self._terminal is not None:
            self._bar = tqdm(
                desc=f"reading {self._table}",
                bar_format=_BAR,
                file=self._terminal,
                leave=False,
                delay=SHORT_SECONDS,
            )

    def _say(self, at: Instant, end: Instant, part: float, left: float) -> None:
        logger.info(
            "reading %s: %.0f %% of the time up to %s, now at %s, about %s left",
            self._table,
            part * 100,
            end[:19],
            at[:19],
            format_duration(left),
            extra={"percent": round(part * 100, 1), "seconds_left": round(left), "at": at},
        )
