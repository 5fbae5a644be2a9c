"""How a source answers the questions of a pass.

One row more than asked for is looked at, so that the pass knows what follows a page.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from tap_oracle_txlog.rules.digests import Digest, added, digest_of
from tap_oracle_txlog.rules.page_size import LEAST_ROWS
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.questions import Answer, Keys, Rows, RowsAt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.source import Page, Source

logger = logging.getLogger(__name__)

KEYS_PAGE: Final = 50_000
"""Positions alone are small; so many are asked for at once."""


def read_page(source: Source, question: Rows | RowsAt, size: int) -> tuple[Page, int]:
    """A page, and the ``size`` that was asked for."""
    if isinstance(question, Rows):
        after, until, known = question
        return source.page(after, size + 1, until=until, known=known), size
    return source.rows_at(question.positions[: _at_once(size)]), size


def answer_of(question: Rows | RowsAt, page: Page, size: int) -> Answer:
    """What the page tells the pass that asked for ``size`` rows."""
    positions: Sequence[Position] = page.positions
    if isinstance(question, RowsAt):
        asked = question.positions
        seen = asked.index(positions[-1]) + 1 if page.is_cut else _at_once(size)
        return Answer(positions, seen < len(asked), asked[seen] if seen < len(asked) else None)
    following = positions[size] if len(positions) > size else None
    return Answer(positions[:size], page.is_cut or following is not None, following)


def read_keys(source: Source, question: Keys) -> Answer:
    """A page of positions alone."""
    positions = source.keys(question.after, KEYS_PAGE + 1, until=question.until)
    following = positions[KEYS_PAGE] if len(positions) > KEYS_PAGE else None
    logger.debug("%d keys compared", len(positions))
    return Answer(positions[:KEYS_PAGE], following is not None, following)


def summed(keys: Callable[..., Sequence[Position]], since: Instant, before: Instant) -> Digest:
    """The digest of the rows between two times, of a database that cannot add them up itself.

    Args:
        keys: As ``Source.keys``.
        since: Of the first rows.
        before: Of none of them.
    """
    found, after, more = Digest(0, 0), Position.before(since), True
    while more:
        page = keys(after, KEYS_PAGE, until=before)
        found, more = added(found, digest_of(page)), len(page) == KEYS_PAGE
        after = page[-1] if page else after
    return found


def _at_once(size: int) -> int:
    """How many places to look at together: two are compared with each other."""
    return max(size, LEAST_ROWS)
