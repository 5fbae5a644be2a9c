"""``statistics_every``: a block of numbers in the log, as often as it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.target import event, record, schema, state

if TYPE_CHECKING:
    from tests.support.target import Target

NAMES = [
    "uptime",
    "checkpoints",
    "records read",
    "messages published",
    "duplicates",
    "dead letters",
    "not acknowledged yet",
    "connections to NATS",
    "complete up to",
]


def block(log: list[str], number: int) -> dict[str, str]:
    """What the block of that number says."""
    starts = [place for place, text in enumerate(log) if text == "statistics of this run:"]
    first = starts[number] + 1
    told = {}
    for line in log[first : first + len(NAMES)]:
        name = next(name for name in NAMES if line.startswith(name))
        told[name] = line.removeprefix(name).strip()
    return told


@pytest.mark.parametrize(("every", "blocks"), [(0, 0), (1, 4), (3, 1), (5, 0)])
def test_it_comes_after_so_many_checkpoints(target: Target, every: int, blocks: int) -> None:
    messages = [one for number in range(1, 5) for one in (event(number), state(number))]
    run = target.run(schema(), *messages, statistics_every=every, checkpoint_records=1)
    assert run.code == 0
    assert len(run.states) == 4
    assert run.logged("INFO").count("statistics of this run:") == blocks


def test_it_has_the_numbers_of_the_run(target: Target) -> None:
    assert target.run(schema(), event(1), state(1)).code == 0
    run = target.run(
        schema(),
        event(1),
        event(2),
        record(ID="seven", AT=None),
        state(2),
        statistics_every=1,
        on_error="dead_letter",
    )
    told = block(run.logged("INFO"), -1)
    assert list(told) == NAMES
    assert told["records read"].startswith("3 (")
    counts = [told[name] for name in NAMES[3:8]]
    assert counts == ["1", "1", "1", "0", "1"]
    assert told["complete up to"] == "2026-01-01 00:00:00.002000"
