"""Where STATEs stood in the stream: what is remembered of it, and for how long."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_nats_jetstream.bookmarks import merge
from target_nats_jetstream.ledger.sequences import REMEMBERED, StateSequences

STREAM = "TXLOG_STREAM 2026-01-01T00:00:00Z"


def state(**marks: object) -> dict[str, object]:
    return {"bookmarks": {name: {"replication_key_value": mark} for name, mark in marks.items()}}


def told(*states: dict[str, object], every: int = 10) -> StateSequences:
    """As after a run that wrote ``states``, one every ``every`` messages."""
    sequences = StateSequences()
    for number, one in enumerate(states, 1):
        sequences = sequences.added(STREAM, one, number * every)
    return sequences


def test_nothing_is_known_of_a_pipeline_that_never_ran() -> None:
    nothing = StateSequences()

    assert (nothing.newest, nothing.oldest, nothing.find({})) == (None, None, None)
    assert nothing.find(state(A=1)) is None


def test_a_state_that_is_some_checkpoints_old_is_found() -> None:
    sequences = told(*(state(A=number) for number in range(1, 6)))

    assert [sequences.find(state(A=number)) for number in (5, 3, 1)] == [50, 30, 10]
    assert sequences.find(state(A=6)) is None
    assert (sequences.newest, sequences.oldest) == (50, 10)


def test_the_mark_of_a_pass_that_goes_on_is_no_difference() -> None:
    going_on: dict[str, object] = {
        "bookmarks": {"A": {"replication_key_value": 1, "reading": True}}
    }

    assert told(state(A=1)).find(going_on) == told(going_on).find(state(A=1)) == 10


def test_of_equal_states_the_newest_counts() -> None:
    assert told(state(A=1), state(A=2), state(A=1)).find(state(A=1)) == 30


def test_a_state_is_as_far_as_the_part_that_is_least_far() -> None:
    sequences = told(state(A=1, B=1), state(A=2, B=1), state(A=2, B=2))

    assert sequences.find(state(A=2, B=1)) == 20
    assert sequences.find(state(A=1, B=2)) == 10
    assert sequences.find(state(A=2)) == 30
    assert sequences.find(state(A=2, C=1)) is None, "nobody knows where C stood"


def test_the_run_of_another_tap_does_not_hide_what_a_killed_one_had_stored() -> None:
    """A was killed behind 10; that B then stored until 20 says nothing of A."""
    sequences = told(state(A=1), state(B=1))

    assert sequences.find(merge(state(A=1), state(B=1))) == 10


def test_a_backfill_does_not_hide_what_the_killed_tail_had_stored() -> None:
    slices: dict[str, object] = {
        "bookmarks": {"T": {"partitions": [{"context": {"start": "2024"}}]}}
    }
    sequences = told(state(T=1), slices)

    assert sequences.find(merge(state(T=1), slices)) == 10
    assert sequences.find(state(T=1)) == 10
    assert sequences.find(slices) == 20


def test_an_empty_state_is_found_by_an_empty_state_only() -> None:
    assert told({}).find({"bookmarks": {}}) == 10
    assert told({}).find(state(A=1)) is None
    assert told(state(A=1)).find({}) is None


def test_a_stream_that_was_made_anew_is_another_stream() -> None:
    sequences = told(state(A=1), state(A=2))

    assert sequences.of(STREAM) is sequences
    assert sequences.of("anew") == StateSequences("anew")
    anew = sequences.added("anew", state(A=3), 1)
    assert (anew.find(state(A=2)), anew.find(state(A=3)), anew.stream) == (None, 1, "anew")


def test_what_is_remembered_has_a_limit() -> None:
    sequences = told(*(state(A=number, B="stands") for number in range(1, 500)))

    assert len(sequences.entries) == REMEMBERED + 2
    assert sequences.find(state(A=499 - REMEMBERED, B="stands")) == 10 * (499 - REMEMBERED)
    assert sequences.find(state(A=498 - REMEMBERED, B="stands")) is None


def test_the_newest_of_a_part_is_never_forgotten() -> None:
    sequences = told(state(B=1), *(state(A=number) for number in range(500)))

    assert sequences.find(state(B=1, A=499)) == 10


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 5), st.integers(0, 99))))
def test_it_comes_back_as_it_was_written(told_parts: list[tuple[str, int, int]]) -> None:
    sequences = StateSequences()
    for stream, mark, sequence in told_parts:
        sequences = sequences.added("ü \"'", state(**{stream: mark}), sequence)

    assert StateSequences.from_json(sequences.to_json()) == sequences


@given(st.integers(0, 30), st.lists(st.sampled_from([0, 1, 2, 3]), max_size=30))
def test_what_was_noted_apart_can_be_added_later(cut: int, marks: list[int]) -> None:
    states: list[dict[str, Any]] = [state(A=mark, B=mark // 2) for mark in marks]
    whole, first, then = StateSequences(STREAM), StateSequences(STREAM), StateSequences(STREAM)
    for number, one in enumerate(states):
        whole = whole.added(STREAM, one, number)
        if number < cut:
            first = first.added(STREAM, one, number)
        else:
            then = then.added(STREAM, one, number)

    assert first.followed_by(then) == whole


@pytest.mark.parametrize("text", [None, ""])
def test_a_row_without_them_has_none(text: str | None) -> None:
    assert StateSequences.from_json(text) == StateSequences()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "7",
        "null",
        "[]",
        "{}",
        '{"stream": "S"}',
        '{"stream": "S", "states": 7}',
        '{"stream": "S", "states": [7]}',
        '{"stream": "S", "states": [["A", "d"]]}',
        '{"stream": "S", "states": [["A", "d", "x"]]}',
        '{"stream": "S", "states": [["A", "d", null]]}',
        '{"stream": "S", "states": [["A", "d", 1, 2]]}',
        "[" * 100_000,
    ],
)
def test_damaged_text_is_known_as_such(text: str) -> None:
    assert StateSequences.from_json(text) is None


def test_the_text_can_be_read_by_people() -> None:
    assert json.loads(told(state(A=1)).to_json()) == {
        "stream": STREAM,
        "states": [["A", StateSequences().added("", state(A=1), 0).entries[0].digest, 10]],
        "places": {},
    }


def test_a_start_from_nothing_is_known_only_where_its_states_may_not_have_arrived() -> None:
    begun = told({})
    assert begun.find({}) == begun.find({}, after_failure=True) == 10
    later = told({}, state(A=1), state(A=2))
    assert later.find({}) is None, "a load from the start"
    assert later.find({}, after_failure=True) == later.oldest == 10
    long_ago = told({}, *(state(A=number) for number in range(REMEMBERED + 1)))
    assert long_ago.find({}, after_failure=True) is None
