"""Whenever the target is killed, the next run, given the last STATE that was printed, completes the
stream: nothing is missing and nothing is there twice.
"""

from __future__ import annotations

import json
import signal
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.target import event, moment, pages, schema, state
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.target import Target

PAGE = 100
ENDLESS = 10**9


def next_page(printed: list[str]) -> int:
    """The first row that a tap sends when it is given the last STATE of ``printed``."""
    if not printed:
        return 1
    text = json.loads(printed[-1])["bookmarks"]["EVENTS"]["replication_key_value"]
    since = datetime.fromisoformat(text) - datetime.fromisoformat(moment(0))
    return since // timedelta(milliseconds=1) + 1


@pytest.mark.parametrize("mode", ["fast", "atomic", "window"])
def test_killed_again_and_again_it_gets_to_the_end(target: Target, mode: str) -> None:
    printed, stored = list[str](), list[int]()
    settings: dict[str, Any] = {"batch_size": 30, "checkpoint_records": 200}
    settings["publish_mode"] = mode
    for kill_at_state in (1, 2, 3, 5):
        running = target.start(**settings)
        feeder = running.feed_on(pages(next_page(printed), ENDLESS, PAGE))
        running.until_states(kill_at_state)
        running.process.kill()
        assert running.killed_or_ended() == -signal.SIGKILL
        feeder.join()
        printed += running.states
        stored = target.ids()
        assert stored == list(range(1, len(stored) + 1))
        assert next_page(printed) <= len(stored) + 1, "a STATE was printed for rows not stored"
    rows = len(stored) + 1_000
    run = target.run(*pages(next_page(printed), rows, PAGE), **settings)
    assert run.code == 0
    assert target.ids() == list(range(1, rows + 1))
    row = target.ledger()["PIPELINE"]
    assert row["STATUS"] == "SUCCESS"
    assert row["RECORDS_PROCESSED"] == rows
    assert json.loads(row["SINGER_STATE"]) == state(rows)["value"]


def test_killed_before_any_state_it_begins_again_and_stores_nothing_twice(target: Target) -> None:
    running = target.start()
    running.feed(schema(), *(event(number) for number in range(1, 301)))
    wait_until(lambda: len(target.ids()) == 300)
    running.process.kill()
    running.killed_or_ended()
    assert running.states == []
    assert target.run(*pages(1, 400, PAGE)).code == 0
    assert target.ids() == list(range(1, 401))


def test_a_killed_run_is_recognised_and_its_records_are_counted_once(target: Target) -> None:
    running = target.start(checkpoint_seconds=60)
    running.feed(schema(), *(event(number) for number in range(1, 11)), state(10))
    running.until_states(1)
    running.feed(*(event(number) for number in range(11, 16)))
    wait_until(lambda: len(target.ids()) == 15)
    running.process.kill()
    running.killed_or_ended()
    assert target.ledger()["PIPELINE"]["STATUS"] == "RUNNING"
    run = target.run(*pages(11, 30, 10))
    assert "the last run of PIPELINE" in run.logged("WARNING")[0]
    assert "did not finish; its recorded progress is kept: 10 records" in run.logged("WARNING")[0]
    assert "read=20 published=15 duplicates=5" in run.logged("INFO")[-1]
    assert target.ids() == list(range(1, 31))
    assert target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 30


def test_what_was_counted_is_not_counted_again_when_its_state_was_lost(target: Target) -> None:
    """Meltano can lose the last STATE; a quiet run and a run with a small step lie in between."""
    target.run(*pages(1, 300, PAGE))
    target.run(schema(), state(300))
    target.run(*pages(101, 120, PAGE))
    assert target.run(*pages(101, 400, PAGE), batch_size=7).code == 0
    assert target.ids() == list(range(1, 401))
    assert target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 400
