"""The face of the publisher: numbers, room, waiting, the end."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from target_nats_jetstream.errors import UnreachableError
from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher.publisher import MAX_OPEN_BATCHES, MAX_OPEN_BYTES, Publisher
from tests.target.publisher.publishing import (
    STREAM,
    SUBJECT,
    ids,
    ids_of,
    messages,
    open_files,
    publish,
    publishing,
    settings_for,
    submit,
)
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from tools.servers.nats import NatsServer


@pytest.mark.parametrize("mode", ["fast", "atomic", "window", "sync"])
def test_every_message_is_stored_as_it_is_in_the_order_of_submission(
    nats_server: NatsServer, mode: str
) -> None:
    batch = [
        Message(f"txlog.{n % 3}", f"id ü {n}", b"%d" % n, {"Color": f"grün {n}"} if n % 2 else None)
        for n in range(700)
    ]
    with publishing(nats_server, publish_mode=mode, batch_size=300) as publisher:
        assert publisher.mode == mode
        publish(publisher, batch, size=70)
        assert publisher.acked_through == publisher.submitted == 10
        counts = publisher.counts
        assert (counts.published, counts.duplicates, counts.epochs) == (700, 0, 1)
    assert [
        (stored.subject, stored.id, stored.data, stored.headers.get("Color"))
        for stored in nats_server.read_stream(STREAM)
    ] == [(m.subject, m.id, m.payload, (m.headers or {}).get("Color")) for m in batch]


def test_small_batches_are_stored_together(nats_server: NatsServer) -> None:
    with publishing(nats_server, publish_mode="atomic") as publisher:
        publish(publisher, messages(600), size=1)
        assert publisher.submitted == 600
    stored = nats_server.read_stream(STREAM)
    assert [s.id for s in stored] == ids_of(messages(600))
    assert len({s.headers["Nats-Batch-Id"] for s in stored}) < 200


def test_an_empty_batch_counts_as_done_when_those_before_it_are(nats_server: NatsServer) -> None:
    with publishing(nats_server) as publisher:
        assert publisher.submit([]) == 1
        assert publisher.wait(1, 10)
        publisher.submit(messages(5))
        assert publisher.submit([]) == 3
        assert publisher.wait(3, 10)
    assert ids(nats_server) == ids_of(messages(5))


def test_room_ends_with_too_many_batches_and_comes_back_with_their_acks(
    nats_server: NatsServer,
) -> None:
    with publishing(nats_server) as publisher:
        nats_server.pause()
        room = []
        for number in range(MAX_OPEN_BATCHES):
            room.append(publisher.has_room)
            publisher.submit(messages(1, number))
        assert all(room)
        assert not publisher.has_room
        nats_server.resume()
        wait_until(lambda: publisher.has_room)
        assert publisher.wait(publisher.submitted, 10)


def test_room_ends_with_too_many_bytes(nats_server: NatsServer) -> None:
    big = MAX_OPEN_BYTES // 16 - 1_000
    with publishing(nats_server) as publisher:
        nats_server.pause()
        publisher.submit(messages(15, size=big))
        room = [publisher.has_room]
        publisher.submit(messages(2, 15, size=big))
        room.append(publisher.has_room)
        assert room == [True, False]
        nats_server.resume()
        assert publisher.wait(2, 20)
    assert ids(nats_server) == ids_of(messages(17))


def test_progress_is_told_from_the_other_thread(nats_server: NatsServer) -> None:
    told = threading.Event()
    publisher = Publisher(settings_for(nats_server), [SUBJECT], on_progress=told.set)
    publisher.start()
    assert told.is_set()
    told.clear()
    try:
        publisher.submit(messages(1))
        assert told.wait(10)
        assert publisher.acked_through == 1
    finally:
        publisher.close(timeout=5)


def test_waiting_ends_with_its_timeout(nats_server: NatsServer) -> None:
    with publishing(nats_server) as publisher:
        nats_server.pause()
        number = publisher.submit(messages(1))
        assert not publisher.wait(number, 0.2)
        nats_server.resume()
        assert publisher.wait(number, 10)


def test_closing_leaves_no_thread_and_can_be_done_twice(nats_server: NatsServer) -> None:
    before = threading.active_count()
    with publishing(nats_server) as publisher:
        publish(publisher, messages(10))
        publisher.close(timeout=5)
        assert threading.active_count() == before
        publisher.close(timeout=5)
        assert not publisher.wait(99, 5), "waiting for what will never come must end at once"


@pytest.mark.parametrize("away", ["killed", "paused"])
@pytest.mark.parametrize("mode", ["fast", "atomic", "window"])
def test_closing_is_quick_when_the_server_is_away(
    nats_server: NatsServer, mode: str, away: str
) -> None:
    before = threading.active_count(), open_files()
    with publishing(nats_server, publish_mode=mode) as publisher:
        publish(publisher, messages(10))
        nats_server.pause() if away == "paused" else nats_server.kill()
        submit(publisher, messages(8_000, 10, size=1_000), size=1_000)
        publisher.close(timeout=10)  # a thread that has not ended by then is left behind
        assert (threading.active_count(), open_files()) == before
        assert publisher.acked_through == 1


def test_a_publisher_that_was_never_started_can_be_closed(nats_server: NatsServer) -> None:
    Publisher(settings_for(nats_server), [SUBJECT]).close(timeout=1)


def test_no_server_at_the_start_is_told_with_its_address_and_the_tries(
    nats_server: NatsServer,
) -> None:
    nats_server.kill()
    publisher = Publisher(settings_for(nats_server, connect_timeout=1), [SUBJECT])
    start = time.monotonic()
    with pytest.raises(UnreachableError) as caught:
        publisher.start()
    assert time.monotonic() - start < 30, "that is not one second and a few tries"
    text = str(caught.value)
    assert f"cannot reach NATS at nats://127.0.0.1:{nats_server.port}: connection refused" in text
    assert "tries in" in text
    publisher.close(timeout=5)


def test_a_server_that_says_nothing_does_not_hold_up_the_start_for_longer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = settings_for(f"nats://127.0.0.1:{silent.getsockname()[1]}", connect_timeout=3)
        publisher = Publisher(settings, [SUBJECT])
        start = time.monotonic()
        with pytest.raises(UnreachableError, match="timed out"):
            publisher.start()
        assert time.monotonic() - start < 30, "that is not three seconds"
        publisher.close(timeout=5)


def test_a_server_that_comes_up_while_starting_is_waited_for(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    nats_server.kill()

    def start() -> None:
        wait_until(lambda: "trying again" in caplog.text)
        nats_server.start()

    with ThreadPoolExecutor(1) as threads:
        started = threads.submit(start)
        with publishing(nats_server, connect_timeout=60) as publisher:
            publish(publisher, messages(10))
        started.result()


def test_the_next_server_of_the_list_is_tried(nats_server: NatsServer) -> None:
    servers = ["nats://127.0.0.1:1", nats_server.url]
    with publishing(settings_for(nats_server, servers=servers)) as publisher:
        publish(publisher, messages(10))


def test_an_address_without_nats_is_told_as_unreachable() -> None:
    publisher = Publisher(
        settings_for("nats://no-such-host.invalid:4222", connect_timeout=0.5), [SUBJECT]
    )
    with pytest.raises(UnreachableError, match=r"no-such-host\.invalid:4222: "):
        publisher.start()
    publisher.close(timeout=5)
