"""Messages at, just above and above what server and stream take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_nats_jetstream.message import Message
from tests.target.publisher.publishing import (
    BATCHES,
    STREAM,
    SUBJECT,
    ids,
    ids_of,
    messages,
    publish,
    publishing,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.nats import NatsServer

each_mode = pytest.mark.parametrize("mode", ["fast", "atomic", "window"])


@each_mode
@pytest.mark.parametrize("limit", ["max_payload", "max_msg_size"])
def test_a_message_as_large_as_the_limit_is_stored(
    make_nats: Callable[..., NatsServer], mode: str, limit: str
) -> None:
    server = make_nats(config="max_payload: 2000" if limit == "max_payload" else "")
    own = {"max_msg_size": 2_000} if limit == "max_msg_size" else {}
    server.add_stream(STREAM, ["txlog.>"], **BATCHES, **own)
    whole = 2_000 - len("NATS/1.0\r\nNats-Msg-Id: id-5\r\n\r\n")
    batch = [*messages(5), Message(SUBJECT, "id-5", b"x" * whole), *messages(5, 6)]
    with publishing(server, publish_mode=mode) as publisher:
        publish(publisher, batch, size=11)
        assert publisher.mode == mode, "no room for batch headers is no reason to fall back"
    assert ids(server) == ids_of(batch)


@each_mode
@pytest.mark.parametrize("more", [1, 100], ids=["headers just above", "above"])
def test_a_message_above_the_limit_of_the_stream_leaves_its_neighbours_alone(
    nats_server: NatsServer, mode: str, more: int
) -> None:
    nats_server.add_stream(STREAM, ["txlog.>"], **BATCHES, max_msg_size=2_000)
    payload = b"x" * (2_000 - len("NATS/1.0\r\nNats-Msg-Id: large\r\n\r\n") + more)
    batch = [*messages(5), Message(SUBJECT, "large", payload), *messages(5, 5)]
    with publishing(nats_server, publish_mode=mode, on_error="dead_letter") as publisher:
        publish(publisher, batch, size=11)
        assert publisher.counts.dead_letters == 1
        assert (publisher.mode, publisher.counts.epochs) == (mode, 1)
    assert ids(nats_server) == ids_of(messages(10))
    assert ids(nats_server, f"{STREAM}_DLQ") == ["large"]


def test_messages_of_any_size_fit_into_batches(nats_server: NatsServer) -> None:
    batch = messages(12, size=900_000)
    with publishing(nats_server) as publisher:
        publish(publisher, batch, size=3)
    assert ids(nats_server) == ids_of(batch)
