"""What an answer means for a message that was in doubt, and what is counted."""

from __future__ import annotations

import math

import pytest

from target_nats_jetstream.errors import DataError
from target_nats_jetstream.message import DIGEST_HEADER, Message
from target_nats_jetstream.publisher.intake import Intake
from target_nats_jetstream.publisher.jetstream.stored import Stored
from target_nats_jetstream.publisher.known import Known, Past
from target_nats_jetstream.publisher.limits import Limits, Violation
from target_nats_jetstream.publisher.outstanding import Acknowledged
from tests.target.publisher.publishing import INFO, messages


def work_of(count: int) -> Intake:
    return worked(messages(count))


def worked(batch: list[Message], known: Known | None = None) -> Intake:
    intake = Intake("P", allow_dead_letters=False, on_change=lambda: None)
    intake.begin(0)
    intake.known = known
    intake.queue.append((batch, None))
    intake.take(Limits(INFO))
    intake.sent = intake.outstanding.end
    return intake


def acknowledged(intake: Intake) -> Acknowledged:
    found = Acknowledged()
    for batch in intake.outstanding.done:
        found = found.and_then(batch)
    return found


def known(sequence: int) -> bytes:
    return b'{"stream":"EVENTS","seq":%d,"duplicate": true}' % sequence


def test_what_this_run_has_stored_without_an_answer_is_published_by_it() -> None:
    intake = work_of(3)
    intake.stored(0, b'{"stream":"EVENTS","seq":1}')
    intake.mark_in_doubt(3)
    intake.stored(1, known(2))
    assert (intake.counts.published, intake.counts.known_to_server) == (2, 0)


def test_what_was_in_doubt_before_stays_in_doubt_beside_what_is_newer() -> None:
    intake = work_of(3)
    intake.mark_in_doubt(3)
    intake.mark_in_doubt(2)
    for position in range(3):
        intake.stored(position, known(position + 1))
    assert (intake.counts.published, intake.counts.known_to_server) == (3, 0)
    assert acknowledged(intake).counts == {"": 3}


def test_a_repeat_of_a_message_that_was_in_doubt_counts_as_known() -> None:
    intake = work_of(3)
    intake.mark_in_doubt(3)
    intake.reconcile({"id-0": Stored(1, "id-0", "P", "")})
    intake.stored(1, known(1))
    intake.stored(2, known(2))
    assert (intake.counts.published, intake.counts.known_to_server) == (2, 1)
    assert acknowledged(intake).counts == {"": 2}


def test_what_another_pipeline_has_stored_meanwhile_is_not_published_by_this_one() -> None:
    intake = work_of(2)
    intake.mark_in_doubt(2)
    intake.reconcile({"id-0": Stored(1, "id-0", "Q", ""), "id-1": Stored(2, "id-1", "P", "")})
    assert (intake.counts.published, intake.counts.known_to_server) == (1, 1)
    assert acknowledged(intake).counts == {"": 1}


def test_what_is_acknowledged_is_no_longer_in_doubt() -> None:
    intake = work_of(3)
    intake.mark_in_doubt(2)
    intake.stored(0, known(1))
    intake.stored(1, known(2))
    intake.mark_in_doubt(3)
    intake.stored(2, known(2))
    assert (intake.counts.published, intake.counts.known_to_server) == (2, 1)


def test_a_state_does_not_lie_behind_what_may_still_be_repeated() -> None:
    """Two new ones, stored at 8 and 9, then two that a killed run has stored at 6 and 7."""
    again = messages(2)
    past = Known("P", Past(since=5, counted_through=5), give_up_after=math.inf)
    past.add([Stored(6 + n, message.id, "P", "") for n, message in enumerate(again)])
    intake = worked(messages(2, 10), past)
    intake.stored_before(2, 2, b'{"stream":"EVENTS","seq":9}')
    assert acknowledged(intake) == Acknowledged(5, 5, 9, {"": 2}, {})
    intake.queue.append((again[:1], None))
    intake.take(Limits(INFO))
    assert acknowledged(intake) == Acknowledged(6, 6, 9, {"": 3}, {})
    intake.queue.append((again[1:], None))
    intake.take(Limits(INFO))
    assert acknowledged(intake) == Acknowledged(9, 9, 9, {"": 4}, {})


def test_a_batch_whose_last_message_is_an_old_one_is_placed_at_its_newest() -> None:
    """Else the next run would take what this one has counted for what was not counted yet."""
    intake = work_of(4)
    intake.stored(0, b'{"stream":"EVENTS","seq":8}')
    intake.stored(1, b'{"stream":"EVENTS","seq":9}')
    intake.stored(2, known(3))
    intake.stored(3, known(2))
    assert (acknowledged(intake).sequence, acknowledged(intake).counts) == (9, {"": 2})


def test_a_batch_is_placed_by_its_own_messages_only() -> None:
    intake = worked(messages(2))
    intake.begin(7)
    intake.queue.append((messages(2, 2), None))
    intake.take(Limits(INFO))
    intake.sent = 4
    intake.mark_in_doubt(4)
    intake.reconcile({"id-0": Stored(8, "id-0", "P", ""), "id-2": Stored(9, "id-2", "P", "")})
    intake.stored(1, known(3))
    assert (acknowledged(intake).sequence, acknowledged(intake).counts) == (8, {"": 1})
    intake.stored(3, b'{"stream":"EVENTS","seq":10}')
    assert (acknowledged(intake).sequence, acknowledged(intake).counts) == (10, {"": 3})


def test_the_id_of_a_named_record_is_compared_before_it_counts_as_known() -> None:
    message = Message("txlog.a", "S:1", b"", {DIGEST_HEADER: "d" * 32}, "S")
    intake = worked([message])
    intake.stored(0, known(7))
    assert intake.outstanding.acked_through == 0
    with pytest.raises(DataError, match="two different records"):
        intake.compare(intake.suspects[0], "e" * 32)
    assert intake.outstanding.acked_through == 0
    intake.compare(intake.suspects[0], "d" * 32)
    assert intake.outstanding.acked_through == 1
    assert acknowledged(intake).counts == {}


def test_where_nothing_could_be_read_back_what_a_killed_run_stored_counts_once() -> None:
    intake = work_of(3)
    intake.begin(9)
    intake.is_blind = True
    intake.past = Past(counted_through=7)
    for position, sequence in enumerate((7, 8, 8)):
        intake.stored(position, known(sequence))
    assert intake.counts.known_to_server == 3
    assert acknowledged(intake).counts == {"": 1}


def test_an_intake_is_idle_only_where_nothing_waits() -> None:
    intake = Intake("P", allow_dead_letters=True, on_change=lambda: None)
    idle = [intake.is_idle]
    for violation in (None, Violation("invalid", "wrong")):
        intake.queue.append((messages(1), violation))
        idle.append(intake.is_idle)
        intake.take(Limits(INFO))
        idle.append(intake.is_idle)
        if violation:
            intake.dead_letter_stored(intake.dead_letters.popleft())
        else:
            intake.stored(0, b'{"stream":"EVENTS","seq":1}')
        idle.append(intake.is_idle)
    assert idle == [True, False, False, True, False, False, True]


def test_whatever_is_done_is_an_achievement() -> None:
    intake = Intake("P", allow_dead_letters=True, on_change=lambda: None)
    seen = [intake.achieved]
    intake.known = Known("P", Past(), give_up_after=0)
    seen.append(intake.achieved)
    for violation in (None, Violation("invalid", "wrong")):
        intake.queue.append((messages(1), violation))
        intake.take(Limits(INFO))
    assert intake.achieved == seen[-1], "nothing is stored yet"
    intake.stored(0, b'{"stream":"EVENTS","seq":1}')
    seen.append(intake.achieved)
    intake.dead_letter_stored(intake.dead_letters.popleft())
    seen.append(intake.achieved)
    intake.known.add([Stored(1, "id-0", "P", "")])
    intake.queue.append((messages(1), None))
    intake.take(Limits(INFO))
    seen.append(intake.achieved)
    assert seen == sorted(set(seen))
