"""SIGKILL at random moments, fifty times over 100,000 rows: each row is stored once, in order, and
ETL_PRMREC counts each once.

Every run goes on from the last STATE that was printed, as under any Singer runner. It comes at
once, or when the stream has forgotten all ids, so that only reading back tells what is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.target import pages
from tests.target.killing import forgetful, kill_until_done, until_forgotten
from tests.target.publisher.publishing import BATCHES

if TYPE_CHECKING:
    from tests.support.target import Target

each_mode = pytest.mark.parametrize("mode", ["fast", "atomic", "window"])


@each_mode
@pytest.mark.timeout(300)
def test_fifty_kills_lose_repeat_and_reorder_no_row(target: Target, mode: str) -> None:
    kill_until_done(target, rows=100_000, kills=50, forgets=False, publish_mode=mode)


@each_mode
def test_kills_are_as_harmless_when_the_stream_has_forgotten_the_ids(
    target: Target, mode: str
) -> None:
    forgetful(target, **BATCHES)
    kill_until_done(target, rows=20_000, kills=10, forgets=True, publish_mode=mode)


def test_what_the_stream_has_forgotten_is_stored_again_without_reading_back(
    target: Target,
) -> None:
    """The control: above it would pass for nothing if the stream still knew the ids."""
    forgetful(target)
    assert target.run(*pages(1, 300, 100)).code == 0
    until_forgotten(target)
    assert target.run(*pages(201, 400, 100), dedupe_tail=0).code == 0
    assert target.ids() == [*range(1, 301), *range(201, 401)]
