"""Messages at, just above and above what server and stream take."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
from hypothesis import given

from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher.limits import Limits, header_bytes, size_limit
from tests.target.publisher.publishing import (
    BATCHES,
    INFO,
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

    from tools.servers.nats import NatsServer

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


def test_the_limit_is_the_smaller_of_server_and_stream() -> None:
    assert size_limit(INFO) == 1_048_576
    assert size_limit(dataclasses.replace(INFO, max_msg_size=1000)) == 1000
    assert size_limit(dataclasses.replace(INFO, max_msg_size=0)) == 0


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF), min_size=1, max_size=20),
    st.dictionaries(
        st.text("ABCabc-", min_size=1, max_size=8),
        st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF), min_size=1, max_size=9),
        max_size=3,
    ),
)
def test_header_bytes_counts_the_bytes_on_the_wire(id_: str, headers: dict[str, str]) -> None:
    lines = "".join(f"{key}: {value}\r\n" for key, value in {"Nats-Msg-Id": id_, **headers}.items())
    wire = f"NATS/1.0\r\n{lines}\r\n".encode()
    assert header_bytes(Message("s", id_, b"", headers)) == len(wire)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Message("txlog.events", "1", b"x" * 1_048_576), "too_large"),
        (Message("txlog.events", "1", b"", {"H": "h" * 70_000}), "bad_header"),
        (Message("txlog.events", "1", b"", {"no blanks": "x"}), "bad_header"),
        (Message("txlog.events", "1", b"", {"H": "a\r\nNats-Rollup: all"}), "bad_header"),
        (Message("txlog.events", "1\r\nNats-Rollup: all", b""), "bad_header"),
        (Message("txlog." + "x" * 4_000, "1", b""), "bad_subject"),
        (Message("txlog.a b", "1", b""), "bad_subject"),
        (Message("txlog.*", "1", b""), "bad_subject"),
        (Message("txlog.>", "1", b""), "bad_subject"),
        (Message("txlog..a", "1", b""), "bad_subject"),
        (Message("txlog.", "1", b""), "bad_subject"),
        (Message("txlog.a\r\nPUB x 0", "1", b""), "bad_subject"),
        (Message("", "1", b""), "bad_subject"),
        (Message("elsewhere", "1", b""), "no_stream"),
    ],
)
def test_what_cannot_be_published_is_known_before_it_is_sent(message: Message, reason: str) -> None:
    limits = Limits(INFO)
    for _ in range(2):  # the second answer comes out of a cache
        violation = limits.violation(message)
        assert violation is not None
        assert violation.reason == reason
        assert "x" * 20 not in violation.detail


def test_everything_else_can_be_published() -> None:
    limits = Limits(INFO)
    assert limits.violation(Message("txlog.a.b", "id ü", b"x" * 1000, {"A-b": "ü"})) is None
    room = 1_048_576 - header_bytes(Message("txlog.a", "1", b""))
    assert limits.violation(Message("txlog.a", "1", b"x" * room)) is None
    assert limits.violation(Message("txlog.a", "1", b"x" * (room + 1))) is not None


ordinary = st.tuples(
    st.sampled_from(["txlog.events", "txlog.a.b"]),
    st.text("ab1:-", min_size=1, max_size=9),
    st.binary(max_size=9),
).map(lambda parts: Message(*parts))
odd = st.tuples(
    st.sampled_from(["txlog.events", "txlog.*", "txlog..a", "elsewhere", ""]),
    st.text(max_size=40),
    st.integers(0, 60).map(lambda size: b"x" * size),
    st.none() | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=1),
).map(lambda parts: Message(*parts))


@given(st.lists(ordinary | odd, max_size=5), st.integers(0, 120))
def test_what_is_let_pass_together_would_pass_alone(batch: list[Message], limit: int) -> None:
    limits = Limits(dataclasses.replace(INFO, max_msg_size=limit))
    alone = [limits.violation(message) for message in batch]
    if limits.all_fit(batch):
        assert not any(alone)


@given(st.lists(ordinary))
def test_ordinary_messages_pass_together_once_their_subjects_are_known(
    batch: list[Message],
) -> None:
    limits = Limits(INFO)
    assert not any(limits.violation(message) for message in batch)
    assert limits.all_fit(batch)
