"""What an answer means for a message that was in doubt."""

from __future__ import annotations

from target_nats_jetstream.publisher.facts import Fitness
from target_nats_jetstream.publisher.work import Work
from tests.target.publisher.publishing import messages
from tests.target.publisher.test_facts import FACTS


def work_of(count: int) -> Work:
    work = Work(bury=False, on_change=lambda: None)
    work.begin(0)
    work.queue.append((messages(count), "", None))
    work.take(Fitness(FACTS))
    work.sent = count
    return work


def known(sequence: int) -> bytes:
    return b'{"stream":"EVENTS","seq":%d,"duplicate": true}' % sequence


def test_what_this_run_has_stored_without_an_answer_is_published_by_it() -> None:
    work = work_of(3)
    work.stored(0, b'{"stream":"EVENTS","seq":1}')
    work.doubt(3, since=1)
    work.stored(1, known(2))
    assert (work.counts.published, work.counts.known_to_server) == (2, 0)


def test_an_older_doubt_that_is_not_settled_is_not_forgotten_for_a_newer_one() -> None:
    work = work_of(3)
    work.doubt(3, since=0)
    work.doubt(2, since=3)
    for position in range(3):
        work.stored(position, known(position + 1))
    assert (work.counts.published, work.counts.known_to_server) == (3, 0)
    assert work.settled.counts == {"": 3}


def test_a_repeat_of_a_message_that_was_in_doubt_counts_as_known() -> None:
    work = work_of(3)
    work.doubt(3, since=0)
    assert work.recognise({"id-0": 1}) == 1
    work.stored(1, known(1))
    work.stored(2, known(2))
    assert (work.counts.published, work.counts.known_to_server) == (2, 1)
    assert work.settled.counts == {"": 2}


def test_a_doubt_is_over_when_its_messages_are_settled() -> None:
    work = work_of(3)
    work.doubt(2, since=0)
    work.stored(0, known(1))
    work.stored(1, known(2))
    work.doubt(3, since=2)
    work.stored(2, known(2))
    assert (work.counts.published, work.counts.known_to_server) == (2, 1)
