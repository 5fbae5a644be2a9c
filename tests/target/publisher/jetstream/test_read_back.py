"""What is in a stream already is read back: all of it, as it is, and never more than a chunk of it
at once.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import aclosing
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
from hypothesis import given
from typing_extensions import override

from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher import inspection
from target_nats_jetstream.publisher.failures import Lost
from target_nats_jetstream.publisher.jetstream.client import RawClient
from target_nats_jetstream.publisher.jetstream.lifetime import EpochEnded
from target_nats_jetstream.publisher.jetstream.read_back import (
    read_after,
    read_newest,
)
from target_nats_jetstream.publisher.jetstream.stored import Stored
from target_nats_jetstream.publisher.jetstream.stream import read_stream_info
from tests.target.publisher.publishing import (
    BATCHES,
    STREAM,
    SUBJECT,
    messages,
    publish,
    publishing,
    settings_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_nats_jetstream.publisher.jetstream.epoch import Epoch
    from tools.servers.nats import NatsServer

SUBJECTS = ["txlog.>"]
CHUNK = "target_nats_jetstream.publisher.jetstream.read_back.CHUNK"


def all_after(server: NatsServer, sequence: int = 0) -> list[list[Stored]]:
    async def question(epoch: Epoch) -> list[list[Stored]]:
        info = await read_stream_info(epoch, STREAM)
        return [chunk async for chunk in read_after(epoch, info, SUBJECTS, sequence)]

    return inspection.ask(settings_for(server), question)


def newest(
    server: NatsServer, count: int, pipeline: str | None = None, **before: int
) -> list[Stored]:
    """In the order in which they come."""

    def counted(stored: Stored) -> bool:
        return pipeline in {None, stored.pipeline}

    async def question(epoch: Epoch) -> list[Stored]:
        info = await read_stream_info(epoch, STREAM)
        chunks = read_newest(epoch, info, SUBJECTS, count, counted=counted, **before)
        return [stored async for chunk in chunks for stored in chunk]

    return inspection.ask(settings_for(server), question)


def flat(chunks: Sequence[Sequence[Stored]]) -> list[Stored]:
    return [stored for chunk in chunks for stored in chunk]


def truth(server: NatsServer, subject: str = "txlog.") -> list[Stored]:
    """The same by another client."""
    return [
        Stored(
            stored.seq,
            stored.id,
            stored.headers.get("Singer-Pipeline", ""),
            stored.headers.get("Record-Digest", ""),
        )
        for stored in server.read_stream(STREAM)
        if stored.subject.startswith(subject)
    ]


def ours(start: int, end: int, pipeline: str = "tail", subject: str = SUBJECT) -> list[Message]:
    return [
        Message(
            subject,
            f"{pipeline}-{number}",
            b"{}",
            {"Singer-Pipeline": pipeline, "Record-Digest": f"d{number}"},
        )
        for number in range(start, end)
    ]


def store(server: NatsServer, *batches: Sequence[Message], subjects: Sequence[str] = ()) -> None:
    if "error" in server.stream_info(STREAM):
        server.add_stream(STREAM, ["txlog.>", *subjects], **BATCHES)
    with publishing(server, dedupe_tail=0) as publisher:
        for batch in batches:
            publish(publisher, batch)


def delete(server: NatsServer, *sequences: int) -> None:
    for sequence in sequences:
        answer = server.api(f"STREAM.MSG.DELETE.{STREAM}", {"seq": sequence})
        assert answer.get("success"), answer


# Everything behind a sequence


def test_each_message_is_read_with_its_sequence_id_pipeline_and_digest(
    nats_server: NatsServer,
) -> None:
    store(nats_server, ours(0, 300), messages(20))
    read = flat(all_after(nats_server))
    assert read == truth(nats_server)
    assert read[7] == Stored(8, "tail-7", "tail", "d7")
    assert read[-1] == Stored(320, "id-19", "", "")


@pytest.mark.parametrize("chunk", [1, 7, 50, 5_000])
def test_gaps_and_the_subjects_of_others_do_not_matter(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(CHUNK, chunk)
    noise = ours(0, 60, "other", "noise.x")
    store(nats_server, ours(0, 100), noise, ours(100, 200), subjects=["noise.>"])
    delete(nats_server, 1, 50, 51, 130, 200, 260)
    whole = truth(nats_server)
    assert len(whole) == 195
    for sequence in (0, 1, 49, 50, 100, 160, 258, 259, 260, 1_000):
        expected = [stored for stored in whole if stored.sequence > sequence]
        assert flat(all_after(nats_server, sequence)) == expected


def test_an_empty_stream_is_read_back_as_nothing(nats_server: NatsServer) -> None:
    nats_server.add_stream(STREAM, ["txlog.>"])
    assert all_after(nats_server) == []
    assert newest(nats_server, 10) == []


def test_no_more_than_a_piece_is_handed_over_and_as_many_again_are_on_their_way(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CHUNK, 50)
    store(nats_server, messages(1_000))
    chunks = all_after(nats_server)
    assert flat(chunks) == truth(nats_server)
    assert max(map(len, chunks)) <= 100


def test_headers_are_bounded_by_their_bytes_too(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_nats_jetstream.publisher.jetstream.read_back.CHUNK_BYTES", 100_000)
    long = [Message(SUBJECT, f"{n}-{'x' * 60_000}", b"") for n in range(20)]
    store(nats_server, messages(30), long, messages(30, 30))
    assert flat(all_after(nats_server)) == truth(nats_server)


def test_a_smaller_limit_of_the_server_is_kept(
    make_nats: Callable[..., NatsServer],
) -> None:
    server = make_nats(jetstream="limits { max_request_batch: 7 }")
    store(server, messages(100))
    assert flat(all_after(server)) == truth(server)


def remove_after_a_piece(server: NatsServer, call: str) -> list[Stored]:
    """What is read when the API is called between the first chunk and the second."""

    async def question(epoch: Epoch) -> list[Stored]:
        info = await read_stream_info(epoch, STREAM)
        read: list[Stored] = []
        async for chunk in read_after(epoch, info, SUBJECTS, 0):
            if not read:
                await epoch.api(call)
            read += chunk
        return read

    return inspection.ask(settings_for(server), question)


def test_what_is_purged_meanwhile_is_not_waited_for(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CHUNK, 50)
    store(nats_server, messages(1_000))
    before = truth(nats_server)
    read = remove_after_a_piece(nats_server, f"STREAM.PURGE.{STREAM}")
    assert 50 <= len(read) < 1_000
    assert read == before[: len(read)]


def test_a_consumer_that_is_gone_is_a_failure_and_not_the_end(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not read would be taken for new, and stored a second time."""
    monkeypatch.setattr(CHUNK, 50)
    store(nats_server, messages(1_000))

    async def question(epoch: Epoch) -> None:
        info = await read_stream_info(epoch, STREAM)
        async for _ in read_after(epoch, info, SUBJECTS, 0):
            names = (await epoch.api(f"CONSUMER.NAMES.{STREAM}"))["consumers"]
            for name in names or ():
                await epoch.api(f"CONSUMER.DELETE.{STREAM}.{name}")

    async def ended_by(epoch: Epoch) -> EpochEnded:
        with pytest.raises(EpochEnded) as caught:
            await question(epoch)
        return caught.value

    failure = inspection.ask(settings_for(nats_server), ended_by).failure
    assert isinstance(failure, Lost)
    assert "reading the stream back" in failure.cause


def test_it_can_be_left_early_and_leaves_no_trace(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CHUNK, 50)
    store(nats_server, messages(1_000))

    async def question(epoch: Epoch) -> list[Stored]:
        info = await read_stream_info(epoch, STREAM)
        async with aclosing(read_after(epoch, info, SUBJECTS, 0)) as chunks:
            async for _ in chunks:
                break
        assert not (await epoch.api(f"CONSUMER.NAMES.{STREAM}"))["consumers"]
        again = read_after(epoch, info, SUBJECTS, 990)
        return [stored async for chunk in again for stored in chunk]

    assert inspection.ask(settings_for(nats_server), question) == truth(nats_server)[990:]


# The newest


@pytest.mark.parametrize("count", [1, 10, 149, 150, 151, 250, 1_000])
def test_as_many_of_ours_as_are_wanted_are_among_the_newest(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(CHUNK, 20)
    store(nats_server, ours(0, 100), ours(0, 300, "backfill"), ours(100, 250))
    store(nats_server, ours(300, 350, "backfill"))
    delete(nats_server, 30, 410, 600)
    whole = truth(nats_server)
    read = newest(nats_server, count, "tail")
    assert sorted(read, key=lambda stored: stored.sequence) == whole[-len(read) :]
    wanted = min(count, sum(stored.pipeline == "tail" for stored in whole))
    assert sum(stored.pipeline == "tail" for stored in read) >= wanted


def test_newer_ones_come_first_block_by_block(nats_server: NatsServer) -> None:
    store(nats_server, ours(0, 500), ours(0, 100, "backfill"))
    read = [stored.sequence for stored in newest(nats_server, 150, "tail")]
    assert read[:150] == list(range(451, 601))
    assert len(set(read)) == len(read)


def test_it_goes_back_from_where_it_is_told(nats_server: NatsServer) -> None:
    store(nats_server, ours(0, 300))
    read = newest(nats_server, 20, before=201)
    assert [stored.sequence for stored in read] == list(range(181, 201))


def test_no_more_than_needed_is_read_of_a_stream_without_gaps(nats_server: NatsServer) -> None:
    store(nats_server, ours(0, 1_000))
    assert len(newest(nats_server, 100)) == 100


# What others have written

#: Header lines, as foreign clients may write them.
ODD = {
    "none": b"",
    "no id": b"Other: x\r\n",
    "empty": b"Nats-Msg-Id:\r\n",
    "no blank": b"Nats-Msg-Id:abc\r\n",
    "blanks": b"Nats-Msg-Id:   a b  \r\n",
    "folded": b"Nats-Msg-Id: a\r\n b\r\n",
    "not ASCII": "Nats-Msg-Id: Zürich-€\r\n".encode(),
    "not UTF-8": b"Nats-Msg-Id: \xff\xfe\r\n",
    "huge": b"Nats-Msg-Id: " + b"x" * 60_000 + b"\r\n",
    "other case": b"nats-msg-id: abc\r\n",
    "inside another name": b"X-Nats-Msg-Id: no\r\nNats-Msg-Id: yes\r\n",
    "inside a value": b"Other: Nats-Msg-Id: no\r\nNats-Msg-Id: yes2\r\n",
    "two": b"Nats-Msg-Id: first\r\nNats-Msg-Id: second\r\n",
    "a tab": b"Nats-Msg-Id:\tabc\r\n",
    "a line feed": b"Nats-Msg-Id: a\nb\r\n",
}


def store_raw(server: NatsServer, *commands: bytes) -> list[dict[str, object]]:
    """What JetStream answers to ``HPUB``s of header blocks, sent without a client."""
    answers: list[dict[str, object]] = []
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        stream = connection.makefile("rwb")
        stream.write(b'CONNECT {"verbose":false,"headers":true}\r\nSUB answers 1\r\n')
        for block in commands:
            size = len(block)
            stream.write(b"HPUB txlog.odd answers %d %d\r\n%b\r\n" % (size, size, block))
        stream.flush()
        while len(answers) < len(commands):
            line = stream.readline()
            assert not line.startswith(b"-ERR"), line
            if line.startswith(b"MSG "):
                answers.append(json.loads(stream.readline()))
    return answers


def block(lines: bytes, status: bytes = b"") -> bytes:
    return b"NATS/1.0" + status + b"\r\n" + lines + b"\r\n"


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_header_gives_the_id_that_the_server_goes_by(
    nats_server: NatsServer, odd: str
) -> None:
    nats_server.add_stream(STREAM, ["txlog.>"])
    store_raw(nats_server, block(ODD[odd]), block(b"Nats-Msg-Id: next\r\n"))
    stored, following = flat(all_after(nats_server))
    assert following == Stored(2, "next", "", "")
    id_ = stored.id.encode(errors="surrogateescape")
    (answer,) = store_raw(nats_server, block(b"Nats-Msg-Id: %b\r\n" % id_))
    assert bool(answer.get("duplicate")) is bool(id_), (id_, answer)


def test_a_message_that_looks_like_a_status_is_a_message(nats_server: NatsServer) -> None:
    nats_server.add_stream(STREAM, ["txlog.>"])
    lines = b"Nats-Pending-Messages: 5\r\nNats-Msg-Id: x\r\n"
    store_raw(nats_server, *(block(lines, b" 404 No Messages") for _ in range(1)), block(b""))
    assert [stored.sequence for stored in flat(all_after(nats_server))] == [1, 2]


# The client below


def hmsg(sid: int, reply: bytes, headers: bytes, payload: bytes) -> bytes:
    sizes = b"%d %d" % (len(headers), len(headers) + len(payload))
    return b"HMSG a.b %d %b %b\r\n%b%b\r\n" % (sid, reply, sizes, headers, payload)


taken = st.tuples(
    st.sampled_from([1, 2, 3]),
    st.sampled_from([b"r.1", b"$JS.ACK.x", b""]),
    st.sampled_from([block(b""), block(b"A: HMSG a 1 r 2 3\r\n"), block(b"A: b\r\n" * 400)]),
    st.sampled_from([b"", b"PING\r\n", b"\r\nHMSG a.b 1 r.1 12 12\r\n"]),
)


@given(
    st.lists(st.one_of(taken, st.just(b"PING\r\n"), st.just(b"MSG a.b 3 5\r\nhello\r\n"))),
    st.lists(st.integers(1, 3_000), min_size=1),
)
def test_raw_subscriptions_get_every_message_in_order_however_the_socket_cuts_them(
    parts: list[tuple[int, bytes, bytes, bytes] | bytes], cuts: list[int]
) -> None:
    wire = b"".join(part if isinstance(part, bytes) else hmsg(*part) for part in parts)
    got: dict[int, list[tuple[bytes, bytes, bytes]]] = {1: [], 2: []}

    class Counting(RawClient):
        pings = 0

        @override
        async def _process_ping(self) -> None:
            self.pings += 1

    async def feed() -> int:
        client, rest = Counting(lambda: False), wire
        client.raw.update({1: got[1].extend, 2: got[2].extend})
        for cut in [*cuts * (len(wire) // sum(cuts) + 1), len(wire)]:
            await client._ps.parse(rest[:cut])
            rest = rest[cut:]
        return client.pings

    pings = asyncio.run(feed())
    for sid in (1, 2):
        expected = [part[1:] for part in parts if not isinstance(part, bytes) and part[0] == sid]
        assert got[sid] == expected
    assert pings == parts.count(b"PING\r\n")
