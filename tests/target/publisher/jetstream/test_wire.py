"""Commands of the NATS client protocol, taken apart as nats-server does it."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher.jetstream.wire import hpub, pub
from target_nats_jetstream.publisher.limits import header_bytes

words = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF), min_size=1, max_size=9)
messages = st.tuples(
    words,
    words,
    st.binary(max_size=30),
    st.none() | st.dictionaries(st.text("ABab-", min_size=1, max_size=8), words, max_size=3),
).map(lambda parts: Message(*parts))


@given(messages, st.just("") | words, st.sampled_from(["", "Nats-Batch-Id: x\r\n"]))
def test_hpub_says_how_long_its_parts_are(message: Message, reply: str, more: str) -> None:
    command = b"".join(hpub(message, reply, more))
    line, _, rest = command.partition(b"\r\n")
    verb, subject, *replies, headers, total = map(bytes.decode, line.split())
    assert (verb, subject, replies) == ("HPUB", message.subject, [reply] if reply else [])
    assert int(headers) == header_bytes(message) + len(more)
    assert rest[int(headers) :] == message.payload + b"\r\n"
    assert int(total) == int(headers) + len(message.payload)
    version, *lines = rest[: int(headers)].decode().split("\r\n")
    expected = {"Nats-Msg-Id": message.id, **(message.headers or {})}
    if more:
        expected["Nats-Batch-Id"] = "x"
    assert version == "NATS/1.0"
    assert lines[-2:] == ["", ""]
    assert dict(line.split(": ", 1) for line in lines[:-2]) == expected


@given(words, words)
def test_pub_is_an_empty_message_that_asks_for_an_answer(subject: str, reply: str) -> None:
    assert pub(subject, reply) == f"PUB {subject} {reply} 0\r\n\r\n".encode()
