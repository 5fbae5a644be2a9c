"""What an answer means for a message that was in doubt, and what is counted."""

from __future__ import annotations

import math

import pytest

from target_nats_jetstream.errors import DataError
from target_nats_jetstream.message import DIGEST_HEADER, Message
from target_nats_jetstream.publisher.intake import Work
from target_nats_jetstream.publisher.jetstream.read_back import Stored
from target_nats_jetstream.publisher.known import Known, Past
from target_nats_jetstream.publisher.limits import Fitness
from target_nats_jetstream.publisher.outstanding import Settled
from tests.target.publisher.publishing import FACTS, messages


def work_of(count: int) -> Work:
    return worked(messages(count))


def worked(batch: list[Message], known: Known | None = None) -> Work:
    work = Work("P", bury=False, on_change=lambda: None)
    work.begin(0)
    work.known = known
    work.queue.append((batch, None))
    work.take(Fitness(FACTS))
    work.sent = work.outstanding.end
    return work


def settled(work: Work) -> Settled:
    found = Settled()
    for batch in work.outstanding.done:
        found = found.and_then(batch)
    return found


def known(sequence: int) -> bytes:
    return b'{"stream":"EVENTS","seq":%d,"duplicate": true}' % sequence


def test_what_this_run_has_stored_without_an_answer_is_published_by_it() -> None:
    work = work_of(3)
    work.stored(0, b'{"stream":"EVENTS","seq":1}')
    work.doubt(3)
    work.stored(1, known(2))
    assert (work.counts.published, work.counts.known_to_server) == (2, 0)


def test_an_older_doubt_that_is_not_settled_is_not_forgotten_for_a_newer_one() -> None:
    work = work_of(3)
    work.doubt(3)
    work.doubt(2)
    for position in range(3):
        work.stored(position, known(position + 1))
    assert (work.counts.published, work.counts.known_to_server) == (3, 0)
    assert settled(work).counts == {"": 3}


def test_a_repeat_of_a_message_that_was_in_doubt_counts_as_known() -> None:
    work = work_of(3)
    work.doubt(3)
    assert work.recognise({"id-0": Stored(1, "id-0", "P", "")}) == 1
    work.stored(1, known(1))
    work.stored(2, known(2))
    assert (work.counts.published, work.counts.known_to_server) == (2, 1)
    assert settled(work).counts == {"": 2}


def test_what_another_pipeline_has_stored_meanwhile_is_not_published_by_this_one() -> None:
    work = work_of(2)
    work.doubt(2)
    work.recognise({"id-0": Stored(1, "id-0", "Q", ""), "id-1": Stored(2, "id-1", "P", "")})
    assert (work.counts.published, work.counts.known_to_server) == (1, 1)
    assert settled(work).counts == {"": 1}


def test_a_doubt_is_over_when_its_messages_are_settled() -> None:
    work = work_of(3)
    work.doubt(2)
    work.stored(0, known(1))
    work.stored(1, known(2))
    work.doubt(3)
    work.stored(2, known(2))
    assert (work.counts.published, work.counts.known_to_server) == (2, 1)


def test_a_state_does_not_lie_behind_what_may_still_be_repeated() -> None:
    """Two new ones, stored at 8 and 9, then two that a killed run has stored at 6 and 7."""
    again = messages(2)
    past = Known("P", Past(since=5, counted_through=5), patience=math.inf)
    past.add([Stored(6 + n, message.id, "P", "") for n, message in enumerate(again)])
    work = worked(messages(2, 10), past)
    work.stored_before(2, 2, b'{"stream":"EVENTS","seq":9}')
    assert settled(work) == Settled(5, 5, 9, {"": 2}, {})
    work.queue.append((again[:1], None))
    work.take(Fitness(FACTS))
    assert settled(work) == Settled(6, 6, 9, {"": 3}, {})
    work.queue.append((again[1:], None))
    work.take(Fitness(FACTS))
    assert settled(work) == Settled(9, 9, 9, {"": 4}, {})


def test_a_batch_whose_last_message_is_an_old_one_is_placed_at_its_newest() -> None:
    """Else the next run would take what this one has counted for what was not counted yet."""
    work = work_of(4)
    work.stored(0, b'{"stream":"EVENTS","seq":8}')
    work.stored(1, b'{"stream":"EVENTS","seq":9}')
    work.stored(2, known(3))
    work.stored(3, known(2))
    assert (settled(work).sequence, settled(work).counts) == (9, {"": 2})


def test_a_batch_is_placed_by_its_own_messages_only() -> None:
    work = worked(messages(2))
    work.begin(7)
    work.queue.append((messages(2, 2), None))
    work.take(Fitness(FACTS))
    work.sent = 4
    work.doubt(4)
    work.recognise({"id-0": Stored(8, "id-0", "P", ""), "id-2": Stored(9, "id-2", "P", "")})
    work.stored(1, known(3))
    assert (settled(work).sequence, settled(work).counts) == (8, {"": 1})
    work.stored(3, b'{"stream":"EVENTS","seq":10}')
    assert (settled(work).sequence, settled(work).counts) == (10, {"": 3})


def test_the_id_of_a_named_record_is_compared_before_it_counts_as_known() -> None:
    message = Message("txlog.a", "S:1", b"", {DIGEST_HEADER: "d" * 32}, "S")
    work = worked([message])
    work.stored(0, known(7))
    assert work.outstanding.acked_through == 0
    with pytest.raises(DataError, match="two different records"):
        work.compare(work.suspects[0], "e" * 32)
    assert work.outstanding.acked_through == 0
    work.compare(work.suspects[0], "d" * 32)
    assert work.outstanding.acked_through == 1
    assert settled(work).counts == {}


def test_where_nothing_could_be_read_back_what_a_killed_run_stored_counts_once() -> None:
    work = work_of(3)
    work.begin(9)
    work.is_blind = True
    work.past = Past(counted_through=7)
    for position, sequence in enumerate((7, 8, 8)):
        work.stored(position, known(sequence))
    assert work.counts.known_to_server == 3
    assert settled(work).counts == {"": 1}
