"""What a run before this one has stored is not stored again, however long ago that was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_nats_jetstream.message import Message
from tests.target.publisher.publishing import (
    BATCHES,
    STREAM,
    elapse,
    ids,
    ids_of,
    messages,
    publish,
    publishing,
)

if TYPE_CHECKING:
    from tools.servers.nats import NatsServer

WINDOW = 100_000_000  # nanoseconds: the shortest that nats-server allows


def beyond_the_window(server: NatsServer, *subjects: str) -> None:
    """A stream with messages 0 to 499 in it, all older than its duplicate window."""
    server.add_stream(STREAM, ["txlog.>", *subjects], duplicate_window=WINDOW, **BATCHES)
    with publishing(server, publish_mode="window") as publisher:
        publish(publisher, messages(500))
    elapse(0.25)


@pytest.mark.parametrize("mode", ["fast", "atomic", "window"])
def test_rows_that_come_again_after_the_window_are_recognised(
    nats_server: NatsServer, mode: str
) -> None:
    beyond_the_window(nats_server)
    with publishing(nats_server, publish_mode=mode) as publisher:
        publish(publisher, messages(500, 250))
        assert publisher.counts.known_from_read_back == 250
        assert publisher.counts.duplicates == 250
        assert publisher.counts.published == 250
        assert publisher.mode == mode
    assert ids(nats_server) == ids_of(messages(750))


def test_without_reading_back_they_are_stored_again(nats_server: NatsServer) -> None:
    """The control: the test above would pass for nothing if the window still held."""
    beyond_the_window(nats_server)
    with publishing(nats_server, dedupe_tail=0) as publisher:
        publish(publisher, messages(10, 490))
        assert publisher.counts.published == 10
    assert len(ids(nats_server)) == 510


def test_only_the_newest_are_read_back(nats_server: NatsServer) -> None:
    beyond_the_window(nats_server)
    with publishing(nats_server, dedupe_tail=100) as publisher:
        publish(publisher, messages(200, 300))
        assert publisher.counts.known_from_read_back == 100
        assert publisher.counts.published == 100


def test_ours_are_found_among_the_messages_of_others(nats_server: NatsServer) -> None:
    beyond_the_window(nats_server, "noise")
    with publishing(nats_server, dedupe_tail=0) as publisher:
        publish(publisher, [Message("noise", f"n{n}", b"") for n in range(3_000)], size=1_000)
    with publishing(nats_server, dedupe_tail=200) as publisher:
        publish(publisher, messages(300, 300))
        assert publisher.counts.known_from_read_back == 200
        assert publisher.counts.published == 100


def test_gaps_in_the_stream_do_not_matter(nats_server: NatsServer) -> None:
    beyond_the_window(nats_server)
    for seq in (1, 250, 499, 500):
        nats_server.api(f"STREAM.MSG.DELETE.{STREAM}", {"seq": seq})
    with publishing(nats_server) as publisher:
        publish(publisher, messages(500))
        assert publisher.counts.known_from_read_back == 496
        assert publisher.counts.published == 4


def test_nothing_is_read_back_before_there_is_something_to_publish(
    nats_server: NatsServer,
) -> None:
    beyond_the_window(nats_server)
    with publishing(nats_server):
        pass
    assert "dedupe_" not in nats_server.log
    with publishing(nats_server) as publisher:
        publish(publisher, messages(1, 500))
    consumers = nats_server.api(f"CONSUMER.NAMES.{STREAM}")["consumers"] or []
    assert not [name for name in consumers if name.startswith("dedupe")], "it must leave no trace"


def test_a_work_queue_is_not_read_back_and_that_is_told(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    nats_server.add_stream(STREAM, ["txlog.>"], retention="workqueue")
    for start in (0, 10):
        with publishing(nats_server) as publisher:
            publish(publisher, messages(10, start))
    assert nats_server.messages(STREAM) == 20
    assert "removes what was consumed (workqueue)" in caplog.text


def test_twenty_thousand_messages_are_read_back(nats_server: NatsServer) -> None:
    nats_server.add_stream(STREAM, ["txlog.>"], duplicate_window=WINDOW, **BATCHES)
    for known in (0, 20_000):
        with publishing(nats_server) as publisher:
            publish(publisher, messages(20_000), size=1_000)
            assert publisher.counts.known_from_read_back == known
