"""What is taken for sent again: only what is proven, and all of that."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_nats_jetstream.errors import DataError
from target_nats_jetstream.identity import new_places, place_of
from target_nats_jetstream.message import DIGEST_HEADER, Message
from target_nats_jetstream.publisher.jetstream.stored import Stored
from target_nats_jetstream.publisher.known import Found, Known, Open, Past
from target_nats_jetstream.publisher.letters import StoredLetter

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS = st.lists(st.sampled_from("abc"), max_size=12)


def placed(contents: Sequence[str], *, stream: str = "S", pipeline: str = "P") -> list[Message]:
    """What a run sends of these contents: equal ones are equal but for their places."""
    places = new_places(pipeline)
    return [
        Message("x", f"{stream}:{content * 22}:{place}", b"", None, stream, placed=True)
        for content, place in zip(contents, places, strict=False)
    ]


def stored(messages: Sequence[Message], first: int = 1, pipeline: str = "P") -> list[Stored]:
    return [
        Stored(sequence, message.id, pipeline, message.digest)
        for sequence, message in enumerate(messages, first)
    ]


def known(*entries: Stored, since: int | None = 0, counted: int = 0, **places: str) -> Known:
    found = Known("P", Past(since, counted, places=places), give_up_after=math.inf)
    found.add(entries)
    return found


def recognised(past: Known, messages: Sequence[Message]) -> list[Found | None]:
    return [past.find(message) for message in messages]


@given(ROWS, ROWS)
def test_placed_records_are_known_for_as_long_as_they_agree(
    before: list[str], now: list[str]
) -> None:
    past = known(*stored(placed(before)))
    agreed = next(
        (n for n, (a, b) in enumerate(zip(before, now, strict=False)) if a != b),
        min(len(before), len(now)),
    )
    found = recognised(past, placed(now))
    assert [one is not None for one in found] == [n < agreed for n in range(len(now))]
    assert [one.sequence for one in found if one] == list(range(1, agreed + 1))


@given(ROWS, ROWS)
def test_a_dead_letter_that_was_published_again_is_not_expected_of_the_tap(
    before: list[str], letters: list[str]
) -> None:
    replayed = [StoredLetter(one, "too_large").replayed for one in placed(letters)]
    first = len(replayed) + 1
    past = known(*stored(replayed, pipeline=""), *stored(placed(before), first))
    assert all(recognised(past, placed(before)))
    assert past.open == Open()


@given(ROWS)
def test_what_a_run_repeats_of_itself_is_never_known(contents: list[str]) -> None:
    past = known()
    assert past.has_none_of(placed(contents))
    assert recognised(past, placed(contents) + placed(contents)) == [None] * 2 * len(contents)


def test_each_stream_has_its_own_place() -> None:
    ours = [*placed("ab", stream="A"), *placed("ab", stream="B")]
    past = known(*stored(ours))
    again = [*placed("ab", stream="B"), *placed("a", stream="A")]
    assert [one and one.sequence for one in recognised(past, again)] == [3, 4, 1]


def test_what_came_before_the_state_is_not_expected_again() -> None:
    entries = stored(placed("abc"))
    past = known(*entries, since=1)
    assert [one and one.sequence for one in recognised(past, placed("bc"))] == [2, 3]
    by_place = known(*entries, since=0, S=place_of(entries[1].id))
    assert [one and one.sequence for one in recognised(by_place, placed("ca"))] == [3, None]


def test_without_a_state_no_placed_record_is_known() -> None:
    past = known(*stored(placed("ab")), since=None)
    assert recognised(past, placed("ab")) == [None, None]


def test_the_messages_of_another_pipeline_are_not_expected_again() -> None:
    past = known(*stored(placed("ab", pipeline="Q")))
    assert recognised(past, placed("ab")) == [None, None]


def test_the_same_message_is_known_by_its_id_whoever_has_stored_it() -> None:
    messages = [Message("x", "S:[1]:d", b"", None, "S"), Message("x", "S:[2]:d", b"", None, "S")]
    past = known(*stored(messages[:1], pipeline="Q"))
    assert recognised(past, messages) == [Found("S:[1]:d", 1, counts=False), None]


def test_an_own_message_counts_once_and_only_where_no_run_has_counted_it() -> None:
    messages = [Message("x", f"S:[{n}]:d", b"", None, "S") for n in range(3)]
    past = known(*stored(messages), counted=1)
    found = [past.find(message) for message in (*messages, *messages)]
    assert [one and one.counts for one in found] == [False, True, True, False, False, False]


def test_a_state_lies_before_all_that_may_still_be_repeated() -> None:
    messages = [Message("x", f"S:[{n}]:d", b"", None, "S") for n in range(4)]
    past = known(*stored(messages, first=5), since=5, counted=5)
    assert past.open.first == 6
    assert past.find(messages[2])
    assert past.open.first == 6
    assert past.find(messages[1])
    assert past.open.first == 8
    assert past.find(messages[3])
    assert past.open.first == 0


def test_what_is_counted_may_be_repeated_but_is_not_counted_again() -> None:
    messages = [Message("x", f"S:[{n}]:d", b"", None, "S") for n in range(4)]
    past = known(*stored(messages, first=5), since=5, counted=7)
    assert past.open == (6, 8)
    assert past.find(messages[3])
    assert past.open == (6, 0), "the tap has passed over the others"
    assert past.find(messages[1])
    assert past.open == (7, 0)


def test_what_does_not_come_again_is_not_waited_for_without_end() -> None:
    past = Known("P", Past(0, 0), give_up_after=10)
    past.add(stored([Message("x", "S:[1]:d", b"", None, "S")]))
    past.passed(10)
    assert past.open.first == 1
    past.passed(1)
    assert past.open.first == 0


def test_placed_records_that_differ_are_not_waited_for() -> None:
    past = known(*stored(placed("abc")))
    assert recognised(past, placed("x")) == [None]
    assert past.open.first == 0


def named(message_id: str, digest: str) -> Message:
    return Message("x", message_id, b"", {DIGEST_HEADER: digest}, "S")


def test_one_id_for_two_records_is_an_error() -> None:
    past = known(*stored([named("S:1", "d" * 32)]))
    assert past.find(named("S:1", "d" * 32))
    with pytest.raises(DataError, match="two different records of stream S have the message id"):
        past.find(named("S:1", "e" * 32))


def test_an_id_that_does_not_tell_of_which_record_proves_nothing() -> None:
    past = known(Stored(1, "S:1", "P", ""))
    assert past.find(named("S:1", "d" * 32)) is None
