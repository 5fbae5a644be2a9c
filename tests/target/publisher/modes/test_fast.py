"""Fast-ingest batches: what their answers leave open is acknowledged, on a real nats-server."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
from hypothesis import given

from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher.dead_letters import DeadLetters
from target_nats_jetstream.publisher.modes import fast
from target_nats_jetstream.publisher.modes.fast import SLOW_ANSWERS, SLOW_MESSAGES_PER_SECOND, Pace
from tests.target.publisher.publishing import (
    BATCHES,
    STREAM,
    ids,
    ids_of,
    messages,
    publish,
    publishing,
    sending,
    submit,
)
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_nats_jetstream.publisher.intake import DeadLetter
    from target_nats_jetstream.publisher.publisher import Publisher
    from tools.servers.nats import NatsServer


TRANSFORM = {"src": "txlog.>", "dest": "stored.>"}


def acknowledged_through(publisher: Publisher) -> tuple[int, int]:
    acknowledged = publisher.acknowledged(publisher.submitted)
    return acknowledged.sequence, acknowledged.counts[""]


def test_the_sequence_of_the_last_message_is_known_at_the_end_of_each_batch(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast, "MAX_BATCH_MESSAGES", 700)
    with publishing(nats_server) as publisher:
        publish(publisher, messages(3_000), size=100)
        assert publisher.mode == "fast"
        assert acknowledged_through(publisher) == (3_000, 3_000)
    assert ids(nats_server) == ids_of(messages(3_000))


def test_stored_messages_have_no_header_but_their_id(nats_server: NatsServer) -> None:
    with publishing(nats_server) as publisher:
        publish(publisher, messages(10))
    assert all(set(s.headers) == {"Nats-Msg-Id"} for s in nats_server.read_stream(STREAM))


def test_where_others_write_too_the_mode_is_atomic_and_the_counts_are_exact(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    nats_server.add_stream(STREAM, ["txlog.>", "other.>"], **BATCHES)
    with publishing(nats_server) as publisher:
        publish(publisher, messages(100))
        assert publisher.mode == "fast"
        nats_server.store("other.events", "of somebody else")
        publish(publisher, messages(400, 100))
        wait_until(lambda: publisher.mode == "atomic")
        assert publisher.counts.published == 500
        assert publisher.counts.duplicates == 0
        assert publisher.counts.epochs == 2
        assert acknowledged_through(publisher) == (501, 500)
    assert [id_ for id_ in ids(nats_server) if id_ != "of somebody else"] == ids_of(messages(500))
    (line,) = (r.message for r in caplog.records if "in mode atomic" in r.message)
    assert "others are writing to the stream" in line


@pytest.mark.parametrize("asked", ["fast", "auto"])
def test_where_fast_is_asked_for_or_the_only_one_it_stays_beside_others(
    nats_server: NatsServer, asked: str
) -> None:
    atomic = asked == "fast"
    nats_server.add_stream(
        STREAM, ["txlog.>", "other.>"], allow_batched=True, allow_atomic=atomic, discard="new"
    )
    with publishing(nats_server, publish_mode=asked) as publisher:
        for start in range(0, 500, 100):
            nats_server.store("other.events", f"of somebody else {start}")
            publish(publisher, messages(100, start))
        assert publisher.mode == "fast"
        assert acknowledged_through(publisher) == (505, 500)
    assert [id_ for id_ in ids(nats_server) if id_[:2] == "id"] == ids_of(messages(500))


def test_a_stream_that_renames_subjects_is_not_published_to_in_this_mode(
    nats_server: NatsServer,
) -> None:
    nats_server.add_stream(STREAM, ["txlog.>"], subject_transform=TRANSFORM, **BATCHES)
    with publishing(nats_server) as publisher:
        publish(publisher, messages(100))
        assert publisher.mode == "atomic"


def test_the_wait_for_the_end_of_a_batch_begins_at_its_end(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DeadLetters.store

    async def slowly(letters: DeadLetters, letter: DeadLetter) -> None:
        await asyncio.sleep(0.06)
        await store(letters, letter)

    monkeypatch.setattr(DeadLetters, "store", slowly)
    with publishing(nats_server, on_error="dead_letter", ack_timeout=2) as publisher:
        bad = [Message("txlog.a b", f"bad-{number}", b"") for number in range(50)]
        submit(publisher, [*messages(300), *bad, *messages(10, 300)], size=180)
        assert publisher.wait(publisher.submitted, 20), publisher.failure
        assert publisher.counts.epochs == 1
    assert ids(nats_server) == ids_of(messages(310))


@pytest.mark.parametrize(
    "limit", [{"max_msgs_per_subject": 1}, {"max_msgs": 50}, {"subject_transform": TRANSFORM}]
)
@pytest.mark.parametrize("mode", ["auto", "fast"])
def test_what_cannot_be_read_back_is_counted_and_stored_once_all_the_same(
    nats_server: NatsServer, mode: str, limit: dict[str, object]
) -> None:
    nats_server.add_stream(STREAM, ["txlog.>", "other.>"], **limit, **BATCHES)
    with publishing(nats_server, publish_mode=mode) as publisher:
        publish(publisher, messages(100))
        nats_server.store("other.events", "of somebody else")
        publish(publisher, messages(100, 100))
        assert publisher.counts.published == 200
        assert publisher.counts.duplicates == 0
        assert acknowledged_through(publisher) == (201, 200)


def test_a_batch_with_known_messages_costs_one_connection(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast, "LINGER_SECONDS", 0)
    with publishing(nats_server) as publisher:
        publish(publisher, messages(10))
        for known in range(1, 6):
            publish(publisher, messages(11, known * 10 - 1))
            assert publisher.counts.known_to_server == known
            assert publisher.counts.epochs == known + 1
        assert publisher.mode == "fast"
    assert ids(nats_server) == ids_of(messages(60))


@pytest.fixture
def shared_stream(nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> NatsServer:
    """A stream for which only this mode is left; a batch that lingers ends with 300 messages."""
    monkeypatch.setattr(fast, "MAX_BATCH_MESSAGES", 300)
    for seconds in ("LINGER_SECONDS", "MAX_BATCH_SECONDS"):
        monkeypatch.setattr(fast, seconds, 3_600)
    nats_server.add_stream(STREAM, ["txlog.>", "other.>"], allow_batched=True)
    return nats_server


def test_others_who_write_all_the_time_cost_few_connections(shared_stream: NatsServer) -> None:
    with publishing(shared_stream) as publisher:
        shared_stream.store("other.events", "of somebody else")
        publish(publisher, messages(10))
        for start in range(10, 610, 10):
            shared_stream.store("other.events", f"of somebody else {start}")
            publisher.submit(messages(10, start))
        assert publisher.wait(publisher.submitted, 30), publisher.failure
        assert publisher.counts.published == 610
        assert publisher.counts.duplicates == 0
        assert (publisher.mode, publisher.counts.epochs <= 4) == ("fast", True)
    assert [id_ for id_ in ids(shared_stream) if id_[:2] == "id"] == ids_of(messages(610))


def test_a_batch_is_waited_for_only_once_where_others_write_now_and_then(
    shared_stream: NatsServer,
) -> None:
    with publishing(shared_stream) as publisher:
        publish(publisher, messages(10))
        shared_stream.store("other.events", "of somebody else")
        publish(publisher, messages(10, 10))
        publish(publisher, messages(300, 20))
        publish(publisher, messages(10, 320))
        assert (publisher.mode, publisher.counts.epochs) == ("fast", 2)


def test_two_publishers_store_each_message_once_and_each_keeps_its_order(
    nats_server: NatsServer,
) -> None:
    nats_server.add_stream(STREAM, ["txlog.>"], **BATCHES)
    even, odd = messages(8_000)[::2], messages(8_000)[1::2]
    with publishing(nats_server) as one, publishing(nats_server) as other:
        thread = threading.Thread(target=submit, args=(one, even))
        thread.start()
        submit(other, odd)
        thread.join(30)
        for publisher in (one, other):
            assert publisher.wait(publisher.submitted, 30), publisher.failure
            assert publisher.counts.published == 4_000
    stored = ids(nats_server)
    assert sorted(stored) == sorted(ids_of(messages(8_000)))
    assert [id_ for id_ in stored if id_ in set(ids_of(even))] == ids_of(even)
    assert [id_ for id_ in stored if id_ in set(ids_of(odd))] == ids_of(odd)


@pytest.mark.parametrize("tail", [0, 50_000])
def test_a_message_that_comes_again_in_a_run_is_stored_and_counted_once(
    nats_server: NatsServer, tail: int
) -> None:
    with publishing(nats_server, dedupe_tail=tail) as publisher:
        publish(publisher, messages(300))
        publish(publisher, [*messages(100, 200), *messages(100, 300), *messages(50, 350)])
        assert publisher.mode == "fast"
        assert publisher.counts.published == 400
        assert publisher.counts.known_to_server == 150
        assert acknowledged_through(publisher) == (400, 400)
    assert ids(nats_server) == ids_of(messages(400))


def test_a_server_that_writes_each_message_to_the_disk_gets_batches_that_it_writes_at_once(
    make_nats: Callable[..., NatsServer],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(fast, "SLOW_MESSAGES_PER_SECOND", 10**9)  # so that any disk is slow
    server = make_nats(jetstream="sync_interval: always")
    with publishing(server) as publisher:
        with sending(publisher) as batch:
            while publisher.mode != "atomic":
                publisher.wait(publisher.acked_through + 1, 1)
        assert publisher.counts.published == len(batch)
    assert ids(server) == ids_of(batch)
    assert "messages per second" in caplog.text


def test_who_asks_for_fast_keeps_it_however_slow_it_is(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast, "SLOW_MESSAGES_PER_SECOND", 10**9)
    with publishing(nats_server, publish_mode="fast") as publisher:
        publish(publisher, messages(20_000), size=1_000)
        assert (publisher.mode, publisher.counts.epochs) == ("fast", 1)


steps = st.lists(st.floats(0.6, 5), min_size=SLOW_ANSWERS, max_size=20)


@given(steps, st.integers(500, 4_000))
def test_pace_is_slow_after_so_many_slow_answers_in_a_row(steps: list[float], ahead: int) -> None:
    """``steps`` are the times of 500 messages, as multiples of what is just quick enough."""
    pace, now = Pace(), 0.0
    pace.answered(0, ahead, now)
    in_a_row = 0
    for number, step in enumerate(steps, 1):
        now += step * 500 / SLOW_MESSAGES_PER_SECOND
        pace.answered(number * 500, number * 500 + ahead, now)
        in_a_row = in_a_row + 1 if step > 1 else 0
        if abs(step - 1) > 1e-6:
            assert pace.is_slow == (in_a_row >= SLOW_ANSWERS)
        else:
            return


@given(st.floats(0, 100))
def test_pace_does_not_count_what_was_sent_after_the_answer_before(pause: float) -> None:
    pace, now = Pace(), 0.0
    for number in range(10):
        pace.answered(number * 500, number * 500, now)  # all that was sent is stored: our pause
        now += pause
    assert not pace.is_slow


def test_pace_knows_its_answers_over_the_ends_of_batches() -> None:
    pace = Pace()
    for number in range(SLOW_ANSWERS):
        pace.begin()
        pace.answered(0, 1_000, number)
        pace.answered(500, 1_000, number + 0.9)
    assert pace.is_slow
