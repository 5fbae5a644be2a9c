"""The permissions that are printed are enough for everything, and none of them is too many."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from target_nats_jetstream.errors import AccessDeniedError, TargetError
from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher.inspection import stream_state
from target_nats_jetstream.publisher.intake import DeadLetter
from target_nats_jetstream.publisher.letters import to_headers
from target_nats_jetstream.publisher.limits import Violation
from target_nats_jetstream.publisher.publisher import Publisher
from target_nats_jetstream.publisher.replay import replay_dead_letters
from target_nats_jetstream.publisher.rights import as_server_config, probes, rights
from tests.target.publisher.publishing import (
    BATCHES,
    INFO,
    STREAM,
    SUBJECT,
    goes_on,
    ids,
    ids_of,
    messages,
    publishing,
    sending,
    settings_for,
    submit,
)
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.client import Client

    from target_nats_jetstream.publisher.settings import NatsSettings
    from tools.servers.nats import NatsServer

    MakeNats = Callable[..., NatsServer]

LOGIN = {"user": "etl", "password": "pw"}
TRUTH = {"user": "all", "password": "pw"}
UNUSABLE = Message("txlog.a b", "bad", b"{}")
FIXED = DeadLetter(0, Message(SUBJECT, "fixed", b"{}"), Violation("refused", "it was full"))
ALL = {"publish_mode": "fast", "create_stream": "update", "on_error": "dead_letter"}


def server_for(make_nats: MakeNats, config: dict[str, Any], without: str = "") -> NatsServer:
    """A server whose user has what is printed for a config, but for one line."""
    block = as_server_config(settings_for("nats://nowhere", **config))
    lines = [line for line in block.splitlines() if not (without and f'"{without}"' in line)]
    assert len(lines) == len(block.splitlines()) - bool(without)
    if without.startswith("_INBOX"):
        lines.insert(-3, '"nothing"')  # an empty list would allow everything
    permissions = "\n".join(lines)
    domain = f"domain: {config['domain']}" if "domain" in config else ""
    return make_nats(
        config="authorization { users: [ { user: etl, password: pw\n"
        f"{permissions} }}\n{{ user: all, password: pw }} ] }}",
        connect=TRUTH,
        jetstream=domain,
    )


def run(settings: NatsSettings, count: int) -> int:
    """Publish so many messages, and one that is none; how many were known from reading back."""
    publisher = Publisher(settings, [SUBJECT])
    try:
        publisher.start()
        batch = messages(count)
        if settings.on_error == "dead_letter":
            batch.append(UNUSABLE)
        if not publisher.wait(submit(publisher, batch), 30):
            raise publisher.failure or AssertionError(publisher.counts)
        return publisher.counts.known_from_read_back
    finally:
        publisher.close(timeout=10)


def fix(server: NatsServer) -> None:
    """Put a letter that can be published into the stream of dead letters."""

    async def send(client: Client) -> None:
        headers = to_headers(FIXED)
        subject = f"dlq.{STREAM}.refused"
        await client.request(subject, FIXED.message.payload, headers=headers, timeout=10)

    server.run(send)


def restart(server: NatsServer, settings: NatsSettings) -> None:
    """Have the server die with messages on their way: what became of them is read back."""
    with publishing(settings) as publisher, sending(publisher, at_once=10):
        goes_on(publisher)
        published = publisher.counts.published
        server.restart()
        wait_until(
            lambda: publisher.failure is not None or publisher.counts.published > published,
            what="it goes on, or is refused",
        )
        if publisher.failure is not None:
            raise publisher.failure


def everything(server: NatsServer, settings: NatsSettings) -> tuple[str, TargetError] | None:
    """All that the target can do, until it is refused: when it was, and how."""
    stage = "first run"
    try:
        run(settings, 5)
        stage = "second run"
        assert run(settings, 8) == 5 * (settings.tail > 0)
        stage = "status"
        assert stream_state(settings).messages == 8
        if settings.on_error == "dead_letter":
            stage = "replay"
            fix(server)
            assert replay_dead_letters(settings).published == 1
            assert ids(server)[-1] == "fixed"
        stage = "restart"
        restart(server, settings)
    except TargetError as error:
        return stage, error
    assert ids(server)[:8] == ids_of(messages(8))
    return None


@pytest.mark.parametrize("mode", ["auto", "fast", "atomic", "window", "sync"])
@pytest.mark.parametrize(
    "config",
    [
        {"create_stream": "off"},
        {"create_stream": "off", "on_error": "dead_letter"},
        {"create_stream": "if_missing", "on_error": "dead_letter", "inbox_prefix": "_INBOX_etl"},
        {"create_stream": "update", "domain": "hub"},
        {"create_stream": "if_missing", "dedupe_tail": 0},
    ],
    ids=lambda config: " ".join(map(str, config.values())),
)
def test_what_is_printed_is_enough_for_everything(
    make_nats: MakeNats, mode: str, config: dict[str, Any]
) -> None:
    config = {**config, "publish_mode": mode}
    server = server_for(make_nats, config)
    if config["create_stream"] == "off":
        server.add_stream(STREAM, ["txlog.>"], **BATCHES)
        server.add_stream(f"{STREAM}_DLQ", [f"dlq.{STREAM}.>"])
    settings = settings_for(server, **LOGIN, **config)
    if "domain" in config:
        run(settings, 5)
        assert run(settings, 8) == 5
        assert stream_state(settings).messages == 8
    else:
        assert everything(server, settings) is None


@pytest.mark.parametrize(
    ("line", "stage"),
    [
        (right.subject, right.purpose.removeprefix("--").partition("-")[0])
        for right in rights(settings_for("nats://nowhere", **ALL))
    ],
)
def test_a_line_that_is_missing_is_named_at_the_first_run_that_needs_it(
    make_nats: MakeNats, line: str, stage: str
) -> None:
    """Those of ``--status`` and of a replay are no matter of a run."""
    server = server_for(make_nats, ALL, without=line)
    failed = everything(server, settings_for(server, **LOGIN, **ALL))

    assert failed is not None, "the line is not needed"
    at, error = failed
    assert at == (stage if stage in {"status", "replay"} else "first run")
    assert isinstance(error, AccessDeniedError)
    assert "for user etl. Allow publishing to `" in str(error)
    assert f"Allow publishing to `{line}`" in str(error)


def test_the_line_of_the_answers_is_named_too(make_nats: MakeNats) -> None:
    server = server_for(make_nats, ALL, without="_INBOX.>")
    failed = everything(server, settings_for(server, **LOGIN, **ALL))

    assert failed is not None
    assert failed[0] == "first run"
    assert "Allow subscribing to `_INBOX.>`, or set `inbox_prefix`" in str(failed[1])


@pytest.mark.parametrize("is_empty", [True, False])
def test_trying_the_rights_leaves_nothing_behind(make_nats: MakeNats, is_empty: bool) -> None:
    """Nor does a server with a stream that is in use count errors for it."""
    server = make_nats()
    server.add_stream(STREAM, ["txlog.>", "dlq.>"], **BATCHES)
    if not is_empty:
        server.store(SUBJECT, "1")
    consumer = {"stream_name": STREAM, "config": {"durable_name": "probe"}}
    assert "error" not in server.api(f"CONSUMER.DURABLE.CREATE.{STREAM}.probe", consumer)
    before = server.stream_info(STREAM)
    settings = settings_for(server, create_stream="off", on_error="dead_letter")
    publisher = Publisher(settings, [SUBJECT])
    publisher.start()
    publisher.close(timeout=10)

    after = server.stream_info(STREAM)
    assert after["state"] == before["state"]
    assert after["config"] == before["config"]
    if not is_empty:
        assert server.api("INFO")["api"]["errors"] == 0


@pytest.mark.parametrize(
    ("tail", "stored", "are_tried"), [(100, 0, True), (100, 1, False), (0, 0, True), (0, 1, True)]
)
def test_the_rights_of_reading_back_are_tried_unless_the_start_of_a_run_uses_them(
    tail: int, stored: int, are_tried: bool
) -> None:
    settings = settings_for("nats://nowhere", dedupe_tail=tail, publish_mode="window")
    subjects = [subject for subject, _ in probes(settings, replace(INFO, messages=stored))]
    assert any("CONSUMER" in subject for subject in subjects) == are_tried


def test_a_stream_that_is_missing_is_said_so_without_a_right_to_look_for_others(
    make_nats: MakeNats,
) -> None:
    config = {"create_stream": "off"}
    server = server_for(make_nats, config)
    with pytest.raises(TargetError, match="EVENTS does not exist"):
        run(settings_for(server, **LOGIN, **config), 1)
