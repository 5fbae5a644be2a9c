"""Servers from before atomic batches: each message once and in order all the same, in window mode.

They ignore what they do not know, batch headers among it: sent there, a batch would be stored as
single messages, of which only the last is answered.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher import inspection
from target_nats_jetstream.publisher.jetstream.read_back import read_after
from target_nats_jetstream.publisher.jetstream.stream import read_stream_info
from target_nats_jetstream.publisher.replay import replay_dead_letters
from tests.run import DEBIAN_NATS, ROOT
from tests.support.target import Target
from tests.target.killing import forgetful, kill_until_done
from tests.target.publisher.publishing import (
    STREAM,
    SUBJECT,
    goes_on,
    ids,
    ids_of,
    messages,
    publish,
    publishing,
    reached,
    sending,
    settings_for,
    submit,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from target_nats_jetstream.publisher.jetstream.epoch import Epoch
    from tests.support.forking import ForkServer
    from tools.servers.nats import NatsServer

#: As ``make test`` prepares them.
OLD = {"Debian": DEBIAN_NATS, "2.11": ROOT / ".venv-nats-2.11/bin/nats-server"}


@pytest.fixture(params=OLD)
def old_nats(
    request: pytest.FixtureRequest, make_nats: Callable[..., NatsServer]
) -> Callable[..., NatsServer]:
    """Makes started servers of an old version."""
    binary = OLD[request.param]
    if not binary.exists():
        assert not os.environ.get("CI"), f"{binary} is missing"
        pytest.skip(f"{binary} is missing: `make test` fetches it")
    return lambda **options: make_nats(binary=str(binary), **options)


@pytest.fixture
def old_server(old_nats: Callable[..., NatsServer]) -> NatsServer:
    return old_nats()


@pytest.mark.parametrize("asked", ["auto", "atomic"])
def test_every_message_is_stored_in_order_and_one_line_says_why_without_batches(
    old_server: NatsServer, asked: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    batch = messages(5_000)
    with publishing(old_server, publish_mode=asked) as publisher:
        publish(publisher, batch, size=500)
        assert publisher.mode == "window"
        assert publisher.counts.epochs == 1
    stored = old_server.read_stream(STREAM)
    assert [(s.id, s.data) for s in stored] == [(m.id, m.payload) for m in batch]
    assert not any("Nats-Batch-Id" in s.headers for s in stored)
    (line,) = (r for r in caplog.records if "in mode window" in r.message)
    assert "mode atomic needs nats-server 2.12.1" in line.message
    assert line.levelname == ("WARNING" if asked == "atomic" else "INFO")


def test_a_wish_for_batches_that_the_server_ignores_is_told(
    old_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    with publishing(old_server, stream_config={"allow_atomic": True}) as publisher:
        assert publisher.mode == "window"
    assert "stream EVENTS: the server ignores allow_atomic" in caplog.text


def test_each_message_once_in_order_through_kills_of_the_server(old_server: NatsServer) -> None:
    with publishing(old_server) as publisher:
        with sending(publisher) as batch:
            for _ in range(3):
                goes_on(publisher)
                old_server.restart()
            goes_on(publisher)
        assert publisher.counts.published == len(batch)
    assert ids(old_server) == ids_of(batch)


def test_each_row_once_in_order_through_kills_of_the_target_when_the_stream_has_forgotten(
    old_server: NatsServer, tmp_path: Path, forks: ForkServer
) -> None:
    target = Target(tmp_path, old_server, forks)
    forgetful(target)
    try:
        kill_until_done(target, rows=8_000, kills=4, forgets=True)
    finally:
        target.close()


@pytest.mark.parametrize("tail", [0, 1_000], ids=["by the server", "by reading back"])
def test_what_is_stored_already_is_recognised(old_server: NatsServer, tail: int) -> None:
    with publishing(old_server) as publisher:
        publish(publisher, messages(300))
    with publishing(old_server, dedupe_tail=tail) as publisher:
        publish(publisher, messages(300, 200))
        counts = publisher.counts
        assert (counts.known_to_server, counts.known_from_read_back) == (
            (0, 100) if tail else (100, 0)
        )
        assert counts.published == 200
    assert ids(old_server) == ids_of(messages(500))


def test_in_a_stream_that_can_be_full_the_order_is_kept_one_by_one(old_server: NatsServer) -> None:
    old_server.add_stream(STREAM, ["txlog.>"], discard="new", max_msgs=100)
    drained: list[str] = []
    with publishing(old_server) as publisher:
        assert publisher.mode == "sync"
        submit(publisher, messages(300), size=300)
        while len(drained) < 300:
            reached(publisher, len(drained) + 100)
            drained += ids(old_server)
            old_server.api(f"STREAM.PURGE.{STREAM}")
        assert publisher.wait(publisher.submitted, 30), publisher.failure
    assert drained == ids_of(messages(300))


def test_a_dead_letter_is_put_away_and_comes_again(
    old_nats: Callable[..., NatsServer], tmp_path: Path
) -> None:
    server = old_nats(config="max_payload: 2000")
    large, lost = Message(SUBJECT, "large", b"x" * 2_000), Message("new.subject", "lost", b"y")
    letters = {"on_error": "dead_letter", "dead_letter_file": str(tmp_path / "letters.jsonl")}
    with publishing(server, **letters) as publisher:
        publish(publisher, [*messages(5), large, lost, *messages(5, 5)])
        assert (publisher.counts.published, publisher.counts.dead_letters) == (10, 2)
    assert ids(server) == ids_of(messages(10))
    assert ids(server, f"{STREAM}_DLQ") == ["lost"], "the large one is in the file"

    server.kill()
    server.config = "max_payload: 1MB"
    server.start()
    config = server.stream_info(STREAM)["config"] | {"subjects": ["txlog.>", "new.>"]}
    server.api(f"STREAM.UPDATE.{STREAM}", config)
    assert replay_dead_letters(settings_for(server, **letters)).published == 2
    assert sorted(ids(server)[10:]) == ["large", "lost"]
    assert server.messages(f"{STREAM}_DLQ") == 0


def test_all_is_read_back_piece_by_piece_whatever_the_payload(
    old_nats: Callable[..., NatsServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers only: a limit in bytes must not be one of the payload that does not come."""
    monkeypatch.setattr("target_nats_jetstream.publisher.jetstream.read_back.CHUNK", 100)
    monkeypatch.setattr("target_nats_jetstream.publisher.jetstream.read_back.CHUNK_BYTES", 100_000)
    server = old_nats()
    with publishing(server) as publisher:
        publish(publisher, messages(1_000))
        publish(publisher, messages(20, 1_000, size=200_000), size=5)

    async def question(epoch: Epoch) -> list[str]:
        chunks = read_after(epoch, await read_stream_info(epoch, STREAM), ["txlog.>"], 10)
        return [stored.id async for chunk in chunks for stored in chunk]

    assert inspection.ask(settings_for(server), question) == ids_of(messages(1_020))[10:]
