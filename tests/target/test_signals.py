"""A signal at any moment ends the run in time: with the STATE of all that is acknowledged, with
128 + its number, and so that the next run completes the stream.
"""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.target import PASSWORD, event, pages, schema, state
from tools.servers.ports import free_port
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.target import Run, Running, Target

INT, TERM = signal.SIGINT, signal.SIGTERM
#: What a test allows beside shutdown_timeout: HARD_STOP_SECONDS, and a machine that is very busy.
#: What must not be waited for takes a minute.
SLACK = 20.0


def states(*numbers: int) -> list[str]:
    return [json.dumps(state(number)["value"]) for number in numbers]


def end(running: Running, number: signal.Signals, *, seconds: float) -> Run:
    """Send the signal; the end has to come within ``seconds`` and a little."""
    running.signal(number)
    began = time.monotonic()
    run = running.end()
    assert time.monotonic() - began < seconds + SLACK
    assert run.code == 128 + number
    return run


def complete(target: Target, last: int) -> None:
    """The next run, given the last STATE, makes the stream complete."""
    assert target.run(*pages(1, last, 100)).code == 0
    assert target.ids() == list(range(1, last + 1))
    row = target.ledger()["PIPELINE"]
    assert (row["STATUS"], row["RECORDS_PROCESSED"]) == ("SUCCESS", last)


@pytest.mark.parametrize("number", [INT, TERM])
def test_while_the_input_is_silent(target: Target, number: signal.Signals) -> None:
    running = target.start(checkpoint_seconds=60)
    running.feed(schema(), event(1), state(1), event(2), state(2), event(3))
    running.until_states(1)
    run = end(running, number, seconds=0)
    assert run.states == states(1, 2), "the STATE of what is acknowledged was kept back"
    row = target.ledger()["PIPELINE"]
    assert row["STATUS"] == "FAILED"
    assert row["RECORDS_PROCESSED"] == 3
    assert row["LAST_SUCCESSFUL_TIME"] == "2026-01-01 00:00:00.002000"
    assert row["ERROR_MESSAGE"] == f"stopped by signal {number}"
    assert "ended early: read=3 published=3 " in run.logged("INFO")[-1]
    complete(target, 10)


@pytest.mark.parametrize("number", [INT, TERM])
def test_in_the_middle_of_the_input(target: Target, number: signal.Signals) -> None:
    running = target.start(batch_size=50, checkpoint_records=500)
    feeder = running.feed_on(pages(1, 10**9, 100))
    running.until_states(2)
    run = end(running, number, seconds=5)
    feeder.join()
    stored = target.ids()
    assert stored == list(range(1, len(stored) + 1))
    assert run.states[-1] in states(*range(100, len(stored) + 1, 100))
    assert target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == len(stored)
    complete(target, len(stored) + 500)


def test_a_ctrl_c_under_meltano_is_no_hard_stop(target: Target) -> None:
    running = target.start(checkpoint_seconds=60)
    running.feed(schema(), event(1), state(1), event(2), state(2))
    running.until_states(1)
    running.signal(INT)
    running.signal(TERM)
    run = running.end()
    assert run.code == 130
    assert run.states == states(1, 2)


@pytest.mark.parametrize("batch_size", [1, 100], ids=["waiting for room", "waiting for input"])
@pytest.mark.parametrize("number", [INT, TERM])
def test_while_the_server_stands_still(
    lone_target: Target, number: signal.Signals, batch_size: int
) -> None:
    running = lone_target.start(shutdown_timeout=1, batch_size=batch_size, checkpoint_records=1)
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    lone_target.server.pause()
    running.feed(*(event(number) for number in range(2, 40)), state(39), event(40))
    running.until_read()
    began = time.monotonic()
    run = end(running, number, seconds=1)
    assert time.monotonic() - began >= 1, "what is in flight was given up too early"
    assert run.states == states(1)
    assert lone_target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 1
    lone_target.server.resume()
    complete(lone_target, 60)


def test_while_the_server_is_gone_and_back_in_time(lone_target: Target) -> None:
    """What is in flight is delivered within shutdown_timeout, and its STATE leaves."""
    running = lone_target.start(shutdown_timeout=10, backoff=[0.1])
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    lone_target.server.kill()
    running.feed(*(event(number) for number in range(2, 40)), state(39), event(40))
    running.until_logged("trying again")
    running.until_read()
    running.signal(TERM)
    lone_target.server.start()
    run = running.end()
    assert run.code == 143
    assert lone_target.ids() == list(range(1, 41))
    assert run.states == states(1, 39)
    complete(lone_target, 60)


def test_while_a_full_batch_waits_for_room(lone_target: Target) -> None:
    """The batch is neither lost nor passed over by a STATE in the middle of it."""
    running = lone_target.start(
        shutdown_timeout=10, backoff=[0.1], batch_size=1, checkpoint_seconds=60
    )
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    lone_target.server.kill()
    running.feed(*list(pages(2, 400, 5))[1:])
    running.until_logged("trying again")
    running.until_read()
    running.signal(TERM)
    lone_target.server.start()
    run = running.end()
    assert run.code == 143
    stored = lone_target.ids()
    assert stored == list(range(1, len(stored) + 1))
    assert len(stored) < 400, "there was room for everything: the test says nothing"
    assert run.states == states(1, (len(stored) - 1) // 5 * 5)  # the last one that had been read
    complete(lone_target, 500)


def test_before_a_server_was_ever_reached(target: Target) -> None:
    running = target.start(servers=f"nats://127.0.0.1:{free_port()}", connect_timeout=60)
    running.until_logged("trying again")
    end(running, TERM, seconds=5)


def test_while_the_ledger_is_waited_for(target: Target) -> None:
    url = f"mysql://u:{PASSWORD}@127.0.0.1:{free_port()}/d"
    running = target.start(ledger_url=url, backoff=[60])
    running.until_logged("next try in")
    run = end(running, TERM, seconds=0)
    assert run.states == []


def test_at_the_end_of_the_input_while_acknowledgements_are_waited_for(lone_target: Target) -> None:
    running = lone_target.start(shutdown_timeout=1)
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    lone_target.server.pause()
    running.feed(event(2), state(2))
    running.until_read()
    running.end_input()
    assert end(running, TERM, seconds=1).states == states(1)
    lone_target.server.resume()
    complete(lone_target, 5)


def test_after_a_failure_whose_input_is_still_read(target: Target) -> None:
    running = target.start()
    running.feed("oops")
    running.until_logged("not a Singer message")
    running.signal(TERM)
    assert running.end().code == 5


def test_a_second_sigint_leaves_at_once(lone_target: Target) -> None:
    running = lone_target.start(shutdown_timeout=60)
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    lone_target.server.pause()
    running.feed(event(2), state(2))
    running.until_read()

    def interrupted() -> bool:
        running.signal(INT)
        return running.process.poll() is not None

    wait_until(interrupted, seconds=SLACK)
    assert running.end().code == 130
    lone_target.server.resume()
    complete(lone_target, 5)


def test_with_no_time_given_it_ends_at_once(lone_target: Target) -> None:
    running = lone_target.start(shutdown_timeout=0)
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    lone_target.server.pause()
    running.feed(event(2), state(2))
    running.until_read()
    assert end(running, TERM, seconds=0).states == states(1)
