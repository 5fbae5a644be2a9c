"""Where it is not known what a tap is going to repeat, the run says so, or does not begin."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.target import event, pages, schema, state
from tests.target.killing import FROM_THE_START as START
from tests.target.killing import forgetful, until_forgotten

if TYPE_CHECKING:
    from tests.support.target import Message, Target

#: What our tap sends first when it begins from the start.
FROM_THE_START: Message = {"type": "STATE", "value": START}


@pytest.fixture
def loaded(target: Target) -> Target:
    """300 rows are in the stream, which has forgotten their ids; the ledger is complete."""
    forgetful(target)
    assert target.run(FROM_THE_START, *pages(1, 300, 100), checkpoint_records=100).code == 0
    until_forgotten(target)
    return target


@pytest.mark.parametrize("ledger", [True, False])
def test_a_load_from_the_start_tells_how_much_may_come_twice(loaded: Target, ledger: bool) -> None:
    settings = {} if ledger else {"ledger_url": None}
    run = loaded.run(FROM_THE_START, *pages(1, 300, 100), dedupe_tail=100, **settings)
    assert run.code == 0
    (warning,) = (line for line in run.logged("WARNING") if "checked for duplicates" in line)
    told = re.search(r"holds 300 messages, but only the newest (\d+) are checked", warning)
    assert told is not None
    read_back = int(told[1])
    assert 100 <= read_back < 200  # the tail, and what was read with it
    assert ("does not remember the state" if ledger else "no ledger is kept") in warning
    assert loaded.ids() == [*range(1, 301), *range(1, 301 - read_back)]


def test_it_does_not_begin_where_it_is_told_not_to(loaded: Target) -> None:
    settings = {"dedupe_tail": 100, "on_unknown_past": "fail"}
    run = loaded.run(FROM_THE_START, *pages(1, 300, 100), **settings)
    assert run.code == 2
    assert "set `dedupe_tail: all`" in run.error
    assert loaded.ids() == list(range(1, 301))
    assert loaded.run(*pages(301, 310, 10), **settings).code == 0, "the newest state is known"


def test_all_can_be_recognised(loaded: Target) -> None:
    run = loaded.run(FROM_THE_START, *pages(1, 320, 100), dedupe_tail="all")
    assert "published=20 duplicates=300" in run.logged("INFO")[-1]
    assert any("read back 300 messages" in line for line in run.logged("INFO"))
    assert loaded.ids() == list(range(1, 321))
    assert loaded.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 320


def test_a_state_that_is_some_checkpoints_old_is_found(loaded: Target) -> None:
    """So it is after a kill of Meltano, which has STATE lines in a pipe, or with a backup."""
    run = loaded.run(state(100), *pages(101, 310, 100), dedupe_tail=1)
    assert "published=10 duplicates=200" in run.logged("INFO")[-1]
    assert loaded.ids() == list(range(1, 311))
    assert loaded.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 310


def test_a_stream_that_was_made_anew_has_no_past(loaded: Target) -> None:
    loaded.server.api(f"STREAM.DELETE.{loaded.stream}")
    forgetful(loaded)
    assert loaded.run(state(300), schema(), *map(event, range(301, 331)), state(330)).code == 0
    assert loaded.ids() == list(range(301, 331))
    assert loaded.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 330


@pytest.mark.parametrize("first", [[], [FROM_THE_START]], ids=["any tap", "our tap"])
def test_after_a_run_that_failed_its_states_may_not_have_arrived(
    target: Target, first: list[Message]
) -> None:
    """A kill between ledger and stdout, or with STATE lines in a pipe: the tap begins before them.

    Most taps do not say from where. It was this that a kill on a busy machine showed.
    """
    forgetful(target)
    assert target.run(*first, *pages(1, 300, 100), "oops", checkpoint_records=100).code == 5
    until_forgotten(target)
    run = target.run(*first, *pages(1, 320, 100), dedupe_tail=1)
    assert "published=20 duplicates=300" in run.logged("INFO")[-1]
    assert target.ids() == list(range(1, 321))
    assert target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 320


def test_what_is_not_repeated_after_a_failed_run_keeps_nothing_from_being_counted(
    target: Target,
) -> None:
    """The tap does not say where it starts, so all the STATEs of the failed run come into question.

    What it passes over was counted, and must not make the next run count anew what this one has.
    """
    assert target.run(*pages(1, 600, 100), "oops", checkpoint_records=100).code == 5
    assert target.run(*pages(501, 800, 100), "oops", checkpoint_records=100).code == 5
    assert target.run(*pages(701, 900, 100)).code == 0
    assert target.ids() == list(range(1, 901))
    assert target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 900
