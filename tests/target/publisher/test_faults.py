"""Whatever happens to the server: each message once, in order, or an error that says why not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from target_nats_jetstream.errors import AccessDeniedError, TargetError, UnreachableError
from tests.target.publisher.publishing import (
    BATCHES,
    STREAM,
    elapse,
    goes_on,
    ids,
    ids_of,
    messages,
    open_files,
    publish,
    publishing,
    reached,
    reconnects,
    sending,
    submit,
)
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.servers.nats import NatsServer

each_mode = pytest.mark.parametrize("mode", ["fast", "atomic", "window"])


@each_mode
def test_each_message_once_in_order_through_eight_server_kills(
    nats_server: NatsServer, mode: str
) -> None:
    with publishing(nats_server, publish_mode=mode) as publisher:
        with sending(publisher) as batch:
            for kill in range(1, 9):
                reached(publisher, kill * 1_000)
                nats_server.restart()
                reconnects(publisher, kill)
                goes_on(publisher)
                # It waits only for a server that cannot be reached: no connection to one that can
                # is given up and followed by a wait. `python -m bench.restart` measures the time.
                assert publisher.counts.epochs == kill + 1
        assert publisher.counts.published == len(batch)
        assert publisher.mode == mode
    assert ids(nats_server) == ids_of(batch)


@each_mode
def test_a_kill_is_harmless_without_reading_back_as_well(
    nats_server: NatsServer, mode: str
) -> None:
    with publishing(nats_server, publish_mode=mode, dedupe_tail=0) as publisher:
        with sending(publisher) as batch:
            for _ in range(3):
                goes_on(publisher)
                nats_server.restart()
            goes_on(publisher)
        assert publisher.counts.published == len(batch)
        assert publisher.counts.duplicates == 0, "its own messages are not another run's"
    assert ids(nats_server) == ids_of(batch)


@pytest.mark.parametrize("tail", [0, 50_000])
@each_mode
def test_an_outage_longer_than_the_duplicate_window_stores_nothing_twice(
    nats_server: NatsServer, mode: str, tail: int
) -> None:
    nats_server.add_stream(
        STREAM, ["txlog.>"], **BATCHES, duplicate_window=100_000_000, max_msgs=1_000_000
    )
    settings = {"publish_mode": mode, "dedupe_tail": tail}
    with publishing(nats_server, **settings) as publisher, sending(publisher) as batch:
        for _ in range(3):
            goes_on(publisher)
            nats_server.kill()
            elapse(0.3)
            epochs = publisher.counts.epochs
            nats_server.start()
            reconnects(publisher, epochs)
    assert ids(nats_server) == ids_of(batch)


@each_mode
def test_a_short_pause_of_the_server_is_waited_out_on_the_same_connection(
    nats_server: NatsServer, mode: str
) -> None:
    with publishing(nats_server, publish_mode=mode, ack_timeout=20) as publisher:
        with sending(publisher) as batch:
            reached(publisher, 1_000)
            nats_server.pause()
            elapse(1)
            nats_server.resume()
            goes_on(publisher)
        assert publisher.counts.epochs == 1
    assert ids(nats_server) == ids_of(batch)


@each_mode
def test_a_pause_beyond_the_deadline_ends_the_connection_and_nothing_is_stored_twice(
    nats_server: NatsServer, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    with publishing(nats_server, publish_mode=mode, ack_timeout=1) as publisher:
        with sending(publisher, size=2_000) as batch:
            reached(publisher, 1_000)
            files = open_files()
            nats_server.pause()
            wait_until(lambda: "trying again" in caplog.text)
            elapse(1)
            nats_server.resume()
            goes_on(publisher)
        assert publisher.counts.epochs > 1
        assert publisher.mode == mode
        assert open_files() == files, "a connection in doubt must not live on beside the next one"
    assert ids(nats_server) == ids_of(batch)


@each_mode
def test_an_outage_beyond_max_outage_fails_and_marks_nothing_as_done(
    nats_server: NatsServer, mode: str
) -> None:
    with publishing(nats_server, publish_mode=mode, max_outage=1) as publisher:
        publish(publisher, messages(100))
        started = time.monotonic()
        nats_server.kill()
        number = submit(publisher, messages(100, 100))
        assert not publisher.wait(number, 20)
        assert time.monotonic() - started >= 1, "it was given up too early"
        assert isinstance(publisher.failure, UnreachableError)
        assert f"127.0.0.1:{nats_server.port}: connection refused" in str(publisher.failure)
        assert publisher.acked_through == 1
        nats_server.start()
    assert ids(nats_server) == ids_of(messages(100))


def test_an_idle_publisher_outlives_many_restarts(nats_server: NatsServer) -> None:
    with publishing(nats_server, max_outage=5) as publisher:
        started = time.monotonic()
        while time.monotonic() - started < 6:
            epochs = publisher.counts.epochs
            nats_server.restart()
            reconnects(publisher, epochs)
        publish(publisher, messages(10))
    assert ids(nats_server) == ids_of(messages(10))


@pytest.mark.parametrize(
    ("mode", "used", "allowed"),
    [
        ("auto", "fast", BATCHES),
        ("auto", "atomic", {"allow_atomic": True}),
        ("auto", "sync", {}),
        ("window", "window", BATCHES),
    ],
)
def test_a_full_stream_is_waited_for_until_there_is_room(
    nats_server: NatsServer, mode: str, used: str, allowed: dict[str, bool]
) -> None:
    config: dict[str, Any] = {"discard": "new", "max_msgs": 500}
    nats_server.add_stream(STREAM, ["txlog.>"], **allowed, **config)
    with publishing(nats_server, publish_mode=mode, batch_size=100, max_in_flight=1) as publisher:
        assert publisher.mode == used
        submit(publisher, messages(1_500))
        drained: list[str] = []
        while len(drained) < 1_500:
            wait_until(lambda: nats_server.messages(STREAM) == 500, what="the stream is full")
            drained += ids(nats_server)
            nats_server.api(f"STREAM.PURGE.{STREAM}")
        assert publisher.wait(publisher.submitted, 30), publisher.failure
    assert drained == ids_of(messages(1_500))


def test_a_batch_larger_than_the_stream_is_stored_in_parts(nats_server: NatsServer) -> None:
    nats_server.add_stream(STREAM, ["txlog.>"], allow_atomic=True, discard="new", max_msgs=30)
    with publishing(nats_server) as publisher:
        submit(publisher, messages(100))
        drained: list[str] = []
        while len(drained) < 100:
            wait_until(lambda: nats_server.messages(STREAM) > 0)
            drained += ids(nats_server)
            nats_server.api(f"STREAM.PURGE.{STREAM}", {"keep": 0, "seq": len(drained) + 1})
        assert publisher.wait(publisher.submitted, 30), publisher.failure
        assert publisher.mode == "atomic"
    assert drained == ids_of(messages(100))


def test_a_full_stream_that_stays_full_is_named(nats_server: NatsServer) -> None:
    nats_server.add_stream(STREAM, ["txlog.>"], allow_atomic=True, discard="new", max_msgs=50)
    with publishing(nats_server, max_outage=0.5) as publisher:
        number = submit(publisher, messages(100), size=50)
        assert not publisher.wait(number, 20)
        assert isinstance(publisher.failure, TargetError)
        assert "stream EVENTS refuses messages: maximum messages exceeded" in str(publisher.failure)
        assert publisher.acked_through == 1
    assert ids(nats_server) == ids_of(messages(50))


def test_a_stream_that_is_removed_in_the_middle_is_not_made_anew(nats_server: NatsServer) -> None:
    with publishing(nats_server, max_outage=1) as publisher:
        publish(publisher, messages(100))
        nats_server.api(f"STREAM.DELETE.{STREAM}")
        number = submit(publisher, messages(100, 100))
        assert not publisher.wait(number, 20)
        assert publisher.failure is not None
        assert "stream not found" in str(publisher.failure)
    assert "error" in nats_server.stream_info(STREAM)


@each_mode
def test_a_batch_with_ids_that_are_known_is_stored_but_for_those(
    nats_server: NatsServer, mode: str
) -> None:
    first, second = messages(300), messages(300, 200)
    with publishing(nats_server, publish_mode=mode, dedupe_tail=0) as publisher:
        publish(publisher, first, size=300)
    with publishing(nats_server, publish_mode=mode, dedupe_tail=0) as publisher:
        publish(publisher, second, size=300)
        assert publisher.counts.known_to_server == 100
        assert publisher.counts.published == 200
        assert publisher.mode == mode
    assert ids(nats_server) == ids_of(messages(500))


@each_mode
def test_the_same_message_twice_in_a_batch_is_stored_once(
    nats_server: NatsServer, mode: str
) -> None:
    with publishing(nats_server, publish_mode=mode) as publisher:
        publish(publisher, [*messages(10), *messages(5), *messages(5, 10)], size=20)
        assert publisher.counts.published == 15
        assert publisher.counts.known_to_server == 5
    assert ids(nats_server) == ids_of(messages(15))


def user(*rights: str) -> str:
    """The configuration of a server whose user may publish to these."""
    allowed = ", ".join(f'"{subject}"' for subject in rights)
    return f"""authorization {{ users: [
        {{ user: etl, password: pw, permissions: {{ publish: [{allowed}] }} }},
        {{ user: all, password: pw }} ] }}"""


@each_mode
def test_a_right_that_is_taken_away_ends_the_run_and_the_next_one_completes_the_stream(
    make_nats: Callable[..., NatsServer], mode: str
) -> None:
    server = make_nats(
        config=user("txlog.>", "$JS.API.>"), connect={"user": "all", "password": "pw"}
    )
    batch = messages(3_000)
    login = {"user": "etl", "password": "pw", "publish_mode": mode}
    with publishing(server, **login) as publisher:
        publish(publisher, batch[:1_000])
        server.kill()
        server.config = user("$JS.API.>")
        server.start()
        assert not publisher.wait(submit(publisher, batch[1_000:1_500]), 20)
        assert isinstance(publisher.failure, AccessDeniedError)
        assert "NATS refuses publish to txlog.events for user etl" in str(publisher.failure)
        assert publisher.acked_through == 10
    assert ids(server) == ids_of(batch[:1_000])
    server.kill()
    server.config = user("txlog.>", "$JS.API.>")
    server.start()
    with publishing(server, **login) as publisher:
        publish(publisher, batch)
        assert publisher.counts.duplicates == 1_000
    assert ids(server) == ids_of(batch)
