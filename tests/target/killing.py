"""Killing a target at random moments and giving the next run the last STATE, as a runner does."""

from __future__ import annotations

import json
import random
import secrets
import signal
from typing import TYPE_CHECKING, Any

from tests.support.target import Message, event, record, schema, state, text_of
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.target import Target

PAGE = 100
AHEAD = 2_000
"""Rows that a run is given beyond those that it is killed at, however late the kill comes."""
#: A run can have stored 16 batches, a checkpoint and a page since its last STATE, 2,200 rows. Some
#: more are read back; with the 50,000 of the default fifty starts would cost a minute.
SETTINGS = {"batch_size": 100, "checkpoint_records": 500, "dedupe_tail": 2_500}
SHORTEST_WINDOW = 100_000_000  # nanoseconds: nats-server allows no shorter one


#: What a SCHEMA may tell of keys.
KEYED: dict[str, Any] = {}
KEYLESS: dict[str, Any] = {"keys": [], "replication_key": None}
UNORDERED: dict[str, Any] = {"replication_key": None}


#: What our tap sends first when it has no STATE.
FROM_THE_START = {"bookmarks": {"EVENTS": {"reading": True}}}


class Tap:
    """What a tap sends of so many rows, made once; a run gets what comes after a STATE.

    Args:
        rows: How many rows there are.
        first: The number of the first one.
        keys: What its SCHEMA tells of keys. Without all of them, values come back again and again,
            and equal rows follow each other.
    """

    def __init__(self, rows: int, *, first: int = 1, keys: dict[str, Any] = KEYED) -> None:
        self._schema = text_of([schema(**keys)]).rstrip()
        numbers = range(first, first + rows)
        make = event if keys is KEYED else _value_that_comes_back
        self.records = [make(number)["record"] for number in numbers]
        self._lines: list[str] = []
        self._row_at = {_canonical(json.dumps(FROM_THE_START)): 0}
        for row, one in enumerate(self.records, 1):
            self._lines.append(json.dumps({"type": "RECORD", "stream": "EVENTS", "record": one}))
            if row % PAGE == 0 or row == rows:
                value = state(numbers[row - 1])["value"]
                self._lines.append(json.dumps({"type": "STATE", "value": value}))
                self._row_at[_canonical(json.dumps(value))] = row

    def complete(self, printed: str | None) -> int:
        """How many rows a STATE covers; without one, none."""
        return self._row_at[_canonical(printed)] if printed else 0

    def after(self, printed: str, until: int | None = None) -> list[str]:
        """The lines that a tap sends when it is given this STATE, which comes first, up to row
        ``until``.
        """
        row = self.complete(printed)
        end = None if until is None else until + until // PAGE
        start = json.loads(printed) if printed else FROM_THE_START
        first = json.dumps({"type": "STATE", "value": start})
        return [first, self._schema, *self._lines[row + row // PAGE : end]]


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _value_that_comes_back(number: int) -> Message:
    return record(ID=number // 3 % 4, AT=None, DATA="AABBA"[number % 5])


def forgetful(target: Target, **config: object) -> None:
    """Give the target a stream that knows an id for a tenth of a second only."""
    subjects = [f"{target.stream}.>", probes(target)]
    target.server.add_stream(target.stream, subjects, duplicate_window=SHORTEST_WINDOW, **config)


def probes(target: Target) -> str:
    return f"probes.{target.stream}"


def until_forgotten(target: Target) -> None:
    """Return when the stream knows none of its ids any more.

    It forgets them in their order. So a message is sent after all others, and then again until its
    id is taken for a new one. Last bytes of the killed run may come in between: then once more.
    """
    first, again = 0, 0
    while again != first + 1:
        name = secrets.token_hex(4)
        first = target.server.store(probes(target), name)["seq"]
        again = taken_for_new(target, name)
    target.server.api(f"STREAM.PURGE.{target.stream}", {"filter": probes(target)})


def taken_for_new(target: Target, name: str) -> int:
    """Send a message with this id until it is stored; its place in the stream."""
    answers: list[dict[str, int]] = []

    def is_new() -> bool:
        answers.append(target.server.store(probes(target), name))
        return "duplicate" not in answers[-1]

    wait_until(is_new, what="the stream has forgotten an id")
    return answers[-1]["seq"]


def run_until_killed(
    target: Target, lines: list[str], goal: int, settings: dict[str, Any]
) -> list[str]:
    """Kill a run as soon as the stream holds so many messages; the STATEs that it has printed.

    Its input does not end, so that it cannot be quicker than the kill.
    """
    running = target.start(**settings)
    feeder = running.feed_on(lines)
    wait_until(
        lambda: target.server.messages(target.stream) >= goal or running.process.poll() is not None,
        what=f"{goal} messages are stored",
    )
    running.process.kill()
    assert running.killed_or_ended() == -signal.SIGKILL, running.log
    feeder.join()
    running.end_input()
    return running.states


def check_order_of_promises(target: Target, tap: Tap, printed: str, stored: int) -> None:
    """First the stream, then the ledger, then STATE."""
    kept = target.ledger()["PIPELINE"]["SINGER_STATE"]
    assert tap.complete(printed) <= tap.complete(kept), "STATE left before the ledger knew it"
    assert tap.complete(kept) <= stored, "the ledger was told of rows that are not stored"


def kill_until_done(
    target: Target,
    *,
    rows: int,
    kills: int,
    forgets: bool,
    keys: dict[str, Any] = KEYED,
    **more: object,
) -> None:
    """Kill runs at random moments and let the last one end: each row is stored and counted once.

    Args:
        target: With a stream that ``forgetful`` made, where it is to forget.
        rows: How many the tap has.
        kills: How many runs are killed.
        forgets: Whether the stream has to forget its ids before the next run.
        keys: What the SCHEMA tells of keys.
        more: Settings of the target.
    """
    settings: dict[str, Any] = {**SETTINGS, **more}
    tap, chance, printed = Tap(rows, keys=keys), random.Random(rows), ""
    stored, repeated = 0, 0
    for left in range(kills, 0, -1):
        goal = stored + chance.randint(0, 2 * (rows - stored) // (left + 5))
        lines = tap.after(printed, goal + AHEAD)
        states = run_until_killed(target, lines, goal, settings)
        if forgets:
            until_forgotten(target)
        stored = target.server.messages(target.stream)
        if states:
            printed = states[-1]
            check_order_of_promises(target, tap, printed, stored)
        repeated += stored > tap.complete(printed)
    assert repeated >= kills // 3, "too few runs had stored more than their STATE tells"
    run = target.run(*tap.after(printed), **settings)
    assert run.code == 0
    assert tap.complete([printed, *run.states][-1]) == rows
    assert target.records() == tap.records
    row = target.ledger()["PIPELINE"]
    assert (row["STATUS"], row["RECORDS_PROCESSED"]) == ("SUCCESS", rows)
    assert tap.complete(row["SINGER_STATE"]) == rows
