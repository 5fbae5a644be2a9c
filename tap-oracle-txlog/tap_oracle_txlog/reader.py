"""One connection, used with patience: it is made anew when it was lost, asked for less when a page
was too much, and asked for the next page while the last one is written.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tap_oracle_txlog.source import PageTooLargeError, SourceLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_oracle_txlog.source import Source

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

HALVINGS: Final = 5
"""A page that is too much even so is not a matter of its size."""

GROWS_AFTER: Final = 10
"""So many pages of a reduced size have to be served before a larger one is tried."""

CLOSE_SECONDS: Final = 2.0


class Reader:
    """Asks a source, and copes with what is no answer.

    Args:
        open_source: Connects; called again after a connection was lost.
        waits: Makes the waits between two tries, in seconds; exhausted means: give up.
        sleep: Waits; may raise when the process is asked to end.
        page_size: How many rows are asked for while all is well.
    """

    def __init__(
        self,
        open_source: Callable[[], Source],
        page_size: int,
        *,
        waits: Callable[[], Iterable[float]],
        sleep: Callable[[float], None],
    ) -> None:
        self._open_source = open_source
        self._source: Source | None = None
        self._full_size = page_size
        self._waits = waits
        self._sleep = sleep
        self._served = 0
        self._ahead: Future[Any] | None = None
        self.page_size = page_size

    def ask(self, question: Callable[[Source, int], _T], most: int | None = None) -> _T:
        """Ask the source, and return its answer.

        Args:
            question: Called with the source and the number of rows to ask for.
            most: For a page: how many rows it may have.

        Raises:
            TapError: The source refuses, or is away for longer than the waits last.
        """
        waits, halvings = iter(self._waits()), 0
        while True:
            size = self._size(most)
            try:
                answer = self._first_try(question, size)
            except PageTooLargeError as too_large:
                if size <= 1 or (halvings := halvings + 1) > HALVINGS:
                    raise too_large.error from too_large
                self.page_size, self._served = size // 2, 0
                logger.warning("%s; continuing with pages of %d rows", too_large, self.page_size)
            except SourceLostError as lost:
                self._drop()
                if (wait := next(waits, None)) is None:
                    raise lost.error from lost
                logger.warning("%s; trying again in %.1f s", lost, wait)
                self._sleep(wait)
            else:
                if most is not None:
                    self._recover()
                return answer

    def ask_ahead(self, question: Callable[[Source, int], object], most: int | None = None) -> None:
        """Begin with the question that is going to be asked next, where that hides a wait; ``ask``
        takes its answer.
        """
        source, size = self._source, self._size(most)
        if source is None or not source.is_remote:
            return
        outcome: Future[object] = Future()

        def run() -> None:
            try:
                outcome.set_result(question(source, size))
            except BaseException as error:  # noqa: BLE001  # it is raised where the answer is taken
                outcome.set_exception(error)

        self._ahead = outcome
        threading.Thread(target=run, name="read-ahead", daemon=True).start()

    def hand_over(self) -> Source | None:
        """Leave the open source to the caller."""
        source, self._source = self._source, None
        return source

    def close(self) -> None:
        """Release the connection; one that is in use is left to the end of the process."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and not wait([ahead], CLOSE_SECONDS).done:
            self._source = None
        self._drop()

    def _first_try(self, question: Callable[[Source, int], _T], size: int) -> _T:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            answer: _T = ahead.result()
            return answer
        if self._source is None:
            self._source = self._open_source()
        return question(self._source, size)

    def _drop(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None

    def _size(self, most: int | None) -> int:
        return self.page_size if most is None else min(self.page_size, most)

    def _recover(self) -> None:
        """What made a page too much need not last: a busy hour, a full undo tablespace."""
        if self.page_size < self._full_size:
            self._served += 1
            if self._served >= GROWS_AFTER:
                self.page_size, self._served = min(self._full_size, self.page_size * 2), 0
