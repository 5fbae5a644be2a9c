"""SIGKILL at random moments, fifty times over 100,000 rows: each row is stored once, in order, and
ETL_PRMREC counts each once.

Every run goes on from the last STATE that was printed, as under any Singer runner. It comes at
once, or when the stream has forgotten all ids, so that only reading back tells what is stored.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.target import pages, state
from tests.target.killing import (
    KEYLESS,
    UNORDERED,
    Tap,
    forgetful,
    kill_until_done,
    until_forgotten,
)
from tests.target.publisher.publishing import BATCHES
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.target import Target

each_mode = pytest.mark.parametrize("mode", ["fast", "atomic", "window"])


@each_mode
@pytest.mark.timeout(1800)
def test_fifty_kills_lose_repeat_and_reorder_no_row(target: Target, mode: str) -> None:
    kill_until_done(target, rows=100_000, kills=50, forgets=False, publish_mode=mode)


@each_mode
def test_kills_are_as_harmless_when_the_stream_has_forgotten_the_ids(
    target: Target, mode: str
) -> None:
    forgetful(target, **BATCHES)
    kill_until_done(target, rows=20_000, kills=10, forgets=True, publish_mode=mode)


@pytest.mark.parametrize("keys", [KEYLESS, UNORDERED], ids=["keyless", "no replication key"])
@pytest.mark.parametrize("forgets", [False, True])
def test_kills_lose_and_repeat_nothing_where_no_key_tells_records_apart(
    target: Target, keys: dict[str, Any], forgets: bool
) -> None:
    """Equal records follow each other, and values come back: only their place tells."""
    if forgets:
        forgetful(target, **BATCHES)
    kill_until_done(target, rows=10_000, kills=10, forgets=forgets, keys=keys)


def test_a_tap_that_dies_in_mid_run_and_repeats_itself_repeats_nothing(target: Target) -> None:
    """The target sees no more than the end of its input, ten times."""
    tap, printed, chance = Tap(5_000, keys=KEYLESS), "", random.Random(5)
    for cut in sorted(chance.randint(1, 5_000) for _ in range(10)):
        lines = tap.after(printed)
        sent = lines[: max(1, cut - tap.complete(printed))]
        torn = lines[len(sent)][:20]
        run = target.run(*sent, torn, checkpoint_records=200, batch_size=50)
        printed = run.states[-1] if run.states else printed
    assert target.run(*tap.after(printed)).code == 0
    assert target.records() == tap.records
    assert target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 5_000


#: A tap that writes a file and does not end by itself.
TAP = """
import signal, sys
sys.stdout.write(open(sys.argv[1]).read())
sys.stdout.flush()
signal.pause()
"""


@pytest.mark.parametrize("keys", [KEYLESS, UNORDERED], ids=["keyless", "no replication key"])
@pytest.mark.parametrize("who", ["tap", "target", "both"])
def test_whoever_is_killed_a_tap_that_repeats_itself_repeats_nothing(
    target: Target, tmp_path: Path, keys: dict[str, Any], who: str
) -> None:
    settings = {"checkpoint_records": 200, "batch_size": 50}
    tap, printed, chance = Tap(5_000, keys=keys), "", random.Random(who)
    for left in range(10, 0, -1):
        stored = target.server.messages(target.stream) if left < 10 else 0
        goal = stored + chance.randint(0, (5_000 - stored) // (left + 2))
        (tmp_path / "lines").write_text("\n".join([*tap.after(printed), ""]))
        running = target.start(**settings)
        command = [sys.executable, "-c", TAP, str(tmp_path / "lines")]
        with subprocess.Popen(command, stdout=running.stdin) as process:
            running.end_input()  # the tap has it
            wait_until(partial(has_stored, target, goal), what=f"{goal} messages are stored")
            if who != "target":
                process.kill()
            if who != "tap":
                running.process.kill()
            process.kill()
        running.killed_or_ended()
        printed = running.states[-1] if running.states else printed
    assert target.run(*tap.after(printed), **settings).code == 0
    assert target.records() == tap.records
    assert target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 5_000


def has_stored(target: Target, count: int) -> bool:
    return target.server.messages(target.stream) >= count


def test_what_differs_from_what_was_sent_before_is_stored(target: Target) -> None:
    """The source has changed between a kill and the next run."""
    before, after = Tap(300, keys=KEYLESS), Tap(300, first=2, keys=KEYLESS)
    lines = before.after("")
    target.run(*lines[: 2 + 100 + 1 + 50], "oops", checkpoint_records=100)
    start = json.dumps(state(100)["value"])
    assert target.run(*before.after(start)[:2], *after.after("")[2:32], state(30)).code == 0
    assert target.records() == [*before.records[:150], *after.records[:30]]


def test_what_the_stream_has_forgotten_is_stored_again_without_reading_back(
    target: Target,
) -> None:
    """The control: above it would pass for nothing if the stream still knew the ids."""
    forgetful(target)
    assert target.run(*pages(1, 300, 100)).code == 0
    until_forgotten(target)
    assert target.run(*pages(201, 400, 100), dedupe_tail=0).code == 0
    assert target.ids() == [*range(1, 301), *range(201, 401)]
