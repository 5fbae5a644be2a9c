"""Each answer of the failure table, given over the real wire by a stream that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_nats_jetstream.errors import ConfigurationError, DataError, TargetError
from target_nats_jetstream.publisher.failures import ACTIONS, Action
from tests.target.publisher.fake_jetstream import SILENCE, FakeJetStream
from tests.target.publisher.publishing import (
    elapse,
    ids_of,
    messages,
    publish,
    publishing,
    submit,
)
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.servers.nats import NatsServer


@pytest.fixture(scope="module")
def plain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    from tools.servers.nats import NatsServer  # noqa: PLC0415 - a plugin must not be imported early

    with NatsServer(tmp_path_factory.mktemp("plain"), jetstream=None) as server:
        yield server


def error(err_code: int, code: int = 400) -> dict[str, Any]:
    return {"code": code, "err_code": err_code, "description": "made up"}


QUICK = {
    "create_stream": "off",
    "dedupe_tail": 0,
    "backoff": [0.01, 0.02, 0.04, 0.1, 1],
    "max_outage": 30,
}
RESENT = sorted(code for code, action in ACTIONS.items() if action is Action.RESEND)
FALLING_BACK = sorted(code for code, action in ACTIONS.items() if action is Action.FALL_BACK)
DEAD = sorted(code for code, action in ACTIONS.items() if action is Action.DEAD_LETTER)
STOPPING = sorted(code for code, action in ACTIONS.items() if action is Action.STOP)


def test_every_action_has_codes() -> None:
    assert RESENT
    assert FALLING_BACK
    assert DEAD
    assert STOPPING


FAST = {"allow_batched": True}
"""What a stream has to allow beside atomic batches; without it, auto is atomic."""
each_mode = pytest.mark.parametrize("mode", ["window", "atomic", "fast"])


@each_mode
@pytest.mark.parametrize("refusal", [*((code, 400) for code in RESENT), (10077, 503), (1, 429)])
def test_passing_trouble_is_waited_out_and_the_order_kept(
    plain_server: NatsServer, mode: str, refusal: tuple[int, int]
) -> None:
    batch = messages(20)
    before = {"window": [None, None, None], "atomic": [None], "fast": []}[mode]
    with (
        FakeJetStream(plain_server, [*before, error(*refusal)], **FAST) as stream,
        publishing(plain_server, publish_mode=mode, max_in_flight=1, **QUICK) as publisher,
    ):
        publish(publisher, batch, size=20)
        assert publisher.counts.epochs == 2
        assert stream.stored == ids_of(batch)


@pytest.mark.parametrize("code", FALLING_BACK)
def test_a_server_that_refuses_atomic_batches_gets_single_messages(
    plain_server: NatsServer, code: int
) -> None:
    with (
        FakeJetStream(plain_server, [error(code)]) as stream,
        publishing(plain_server, **QUICK) as publisher,
    ):
        assert publisher.mode == "atomic"
        publish(publisher, messages(20), size=20)
        assert publisher.mode == "window"
        assert stream.stored == ids_of(messages(20))


@pytest.mark.parametrize("code", FALLING_BACK)
def test_a_server_that_refuses_fast_batches_gets_atomic_ones(
    plain_server: NatsServer, code: int
) -> None:
    with (
        FakeJetStream(plain_server, [error(code)], **FAST) as stream,
        publishing(plain_server, **QUICK) as publisher,
    ):
        assert publisher.mode == "fast"
        publish(publisher, messages(20), size=20)
        assert publisher.mode == "atomic"
        assert stream.stored == ids_of(messages(20))


@pytest.mark.parametrize(
    "answer",
    [
        b'{"stream":"EVENTS","seq":1}',  # as servers before 2.14 answer
        b'{"stream":"OTHER","seq":20,"batch":"another","count":20}',
        b'{"stream":"EVENTS","seq":20,"batch":"another","count":20}',
    ],
)
def test_an_answer_that_is_not_of_the_fast_batch_is_not_believed(
    plain_server: NatsServer, answer: bytes
) -> None:
    with (
        FakeJetStream(plain_server, [answer], **FAST) as stream,
        publishing(plain_server, **QUICK) as publisher,
    ):
        publish(publisher, messages(20), size=20)
        assert publisher.mode == "atomic"
        assert stream.stored == ids_of(messages(20))


def test_a_fast_batch_that_was_closed_early_is_sent_again(plain_server: NatsServer) -> None:
    with (
        FakeJetStream(plain_server, [closed_early], **FAST) as stream,
        publishing(plain_server, publish_mode="fast", **QUICK) as publisher,
    ):
        publish(publisher, messages(20), size=20)
        assert (publisher.mode, publisher.counts.epochs) == ("fast", 2)
        assert stream.stored == ids_of(messages(20))


def closed_early(batch: str) -> bytes:
    """As a server answers that has closed a batch before anything was stored."""
    return b'{"stream":"EVENTS","seq":0,"batch":"%b","count":0}' % batch.encode()


def test_a_fast_batch_of_large_messages_ends_early(
    plain_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that an answer is due before a slow line has carried hundreds of them."""
    monkeypatch.setattr("target_nats_jetstream.publisher.modes.fast.MAX_BATCH_BYTES", 2_500)
    with (
        FakeJetStream(plain_server, [], **FAST) as stream,
        publishing(plain_server, publish_mode="fast", **QUICK) as publisher,
    ):
        publish(publisher, messages(20, size=1_000), size=20)
        assert stream.ended == [3] * 6 + [2]


def test_a_gap_ends_the_fast_batch_and_the_next_one_begins_where_it_was(
    plain_server: NatsServer,
) -> None:
    gap = {"type": "gap", "last_seq": 1, "seq": 2}
    with (
        FakeJetStream(plain_server, [gap], **FAST) as stream,
        publishing(plain_server, publish_mode="fast", **QUICK) as publisher,
    ):
        publish(publisher, messages(20), size=20)
        assert publisher.counts.epochs == 2
        assert publisher.mode == "fast"
        assert stream.stored == ids_of(messages(20))


@pytest.mark.parametrize(
    "answer",
    [
        b'{"stream":"EVENTS","seq":5}',  # as servers before 2.12 answer
        b'{"stream":"EVENTS","seq":5,"batch":"another","count":20}',
        b'{"stream":"EVENTS","seq":5,"batch":"another"}',
    ],
)
def test_a_commit_that_is_not_answered_as_one_is_not_believed(
    plain_server: NatsServer, answer: bytes
) -> None:
    with (
        FakeJetStream(plain_server, [None, answer]) as stream,
        publishing(plain_server, **QUICK) as publisher,
    ):
        publish(publisher, messages(20), size=20)
        assert publisher.mode == "window"
        assert stream.stored == ids_of(messages(20))


def test_a_batch_with_a_known_id_is_sent_singly_and_the_next_one_as_a_batch(
    plain_server: NatsServer,
) -> None:
    with (
        FakeJetStream(plain_server, [None, error(10201)]) as stream,
        publishing(plain_server, batch_size=10, **QUICK) as publisher,
    ):
        publish(publisher, messages(40), size=40)
        assert publisher.mode == "atomic"
        assert stream.stored == ids_of(messages(40))


def test_a_server_with_a_smaller_limit_gets_smaller_batches(plain_server: NatsServer) -> None:
    with (
        FakeJetStream(plain_server, [None, error(10199), None, error(10199)]) as stream,
        publishing(plain_server, batch_size=20, **QUICK) as publisher,
    ):
        publish(publisher, messages(20), size=20)
        assert publisher.mode == "atomic"
        assert stream.stored == ids_of(messages(20))


@pytest.mark.parametrize("code", STOPPING)
@each_mode
def test_a_refusal_that_stays_ends_the_run_with_its_words(
    plain_server: NatsServer, mode: str, code: int
) -> None:
    with (
        FakeJetStream(plain_server, [error(code)], **FAST),
        publishing(plain_server, publish_mode=mode, **QUICK) as publisher,
    ):
        number = submit(publisher, messages(3))
        assert not publisher.wait(number, 10)
        assert isinstance(publisher.failure, ConfigurationError)
        assert f"made up (error {code})" in str(publisher.failure)
        with pytest.raises(ConfigurationError):
            publisher.submit(messages(1))
        assert publisher.acked_through == 0


@pytest.mark.parametrize("code", DEAD)
@each_mode
def test_a_message_that_the_stream_cannot_take_is_named(
    plain_server: NatsServer, mode: str, code: int
) -> None:
    script = [None, None, error(code)]
    if mode == "atomic":
        script = [None, error(code), *script]  # first the batch is refused, then taken apart
    with (
        FakeJetStream(plain_server, script, **FAST),
        publishing(plain_server, publish_mode=mode, max_in_flight=1, **QUICK) as publisher,
    ):
        publisher.wait(submit(publisher, messages(5)), 10)
        assert isinstance(publisher.failure, DataError)
        assert "message id-2 cannot be published" in str(publisher.failure)


@pytest.mark.parametrize("code", DEAD)
def test_a_message_that_the_stream_cannot_take_leaves_its_neighbours_alone(
    plain_server: NatsServer, tmp_path: Path, code: int
) -> None:
    file = tmp_path / "dead.jsonl"
    letters = {"on_error": "dead_letter", "dead_letter_file": str(file)}
    with (
        FakeJetStream(plain_server, [None, error(code), None, None, error(code)]) as stream,
        publishing(plain_server, max_in_flight=1, **letters, **QUICK) as publisher,
    ):
        publish(publisher, messages(5), size=5)
        assert publisher.counts.dead_letters == 1
        assert stream.stored == ["id-0", "id-1", "id-3", "id-4"]
    assert '"id": "id-2"' in file.read_text()


def test_what_overtook_a_refused_message_is_not_sent_again(plain_server: NatsServer) -> None:
    with (
        FakeJetStream(plain_server, [None, (error(10077, 503),), None, None]) as stream,
        publishing(plain_server, publish_mode="window", max_in_flight=4, **QUICK) as publisher,
    ):
        publish(publisher, messages(6), size=6)
        assert stream.stored == ["id-0", "id-2", "id-3", "id-1", "id-4", "id-5"]


def test_a_batch_is_not_committed_before_the_one_before_it_is_answered(
    plain_server: NatsServer,
) -> None:
    with (
        FakeJetStream(plain_server, [None, SILENCE]) as stream,
        publishing(plain_server, batch_size=10, ack_timeout=1, **QUICK) as publisher,
    ):
        submit(publisher, messages(30), size=30)
        wait_until(lambda: len(stream.seen) >= 19, what="the next batch is staged")
        elapse(0.3)
        assert stream.seen == ids_of(messages(19)), "its last message, the commit, is held back"
        assert publisher.wait(publisher.submitted, 10)
        assert stream.stored == ids_of(messages(30))


@each_mode
def test_silence_ends_the_connection_and_what_was_asked_is_asked_again(
    plain_server: NatsServer, mode: str
) -> None:
    with (
        FakeJetStream(plain_server, [SILENCE] * (1 if mode == "fast" else 2), **FAST) as stream,
        publishing(plain_server, publish_mode=mode, ack_timeout=0.3, **QUICK) as publisher,
    ):
        publish(publisher, messages(2), size=2)
        assert publisher.counts.epochs == 2
        assert stream.stored[-2:] == ids_of(messages(2))


def test_an_acknowledgement_of_another_stream_is_no_acknowledgement(
    plain_server: NatsServer,
) -> None:
    with (
        FakeJetStream(plain_server, [b'{"stream":"OTHER","seq":1}']),
        publishing(plain_server, publish_mode="window", **QUICK) as publisher,
    ):
        assert not publisher.wait(submit(publisher, messages(1)), 10)
        assert isinstance(publisher.failure, ConfigurationError)
        assert "OTHER" in str(publisher.failure)


def test_a_stream_that_forgot_acknowledged_messages_is_not_written_to(
    plain_server: NatsServer,
) -> None:
    with (
        FakeJetStream(plain_server, [None, None, SILENCE], forgets=True),
        publishing(
            plain_server, publish_mode="sync", ack_timeout=0.3, **(QUICK | {"max_outage": 0.5})
        ) as publisher,
    ):
        submit(publisher, messages(3))
        wait_until(lambda: publisher.failure is not None, seconds=10)
        assert isinstance(publisher.failure, TargetError)
        assert "ends at 0, but message 2 was acknowledged" in str(publisher.failure)
