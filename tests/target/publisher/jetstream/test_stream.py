"""The stream is created, updated or left alone as asked; a subject it lacks is found first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.publisher.publisher import Publisher
from tests.target.publisher.publishing import (
    STREAM,
    SUBJECT,
    messages,
    publish,
    publishing,
    settings_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.servers.nats import NatsServer


@pytest.fixture
def server(shared_nats: NatsServer) -> Iterator[NatsServer]:
    """The shared server without any stream."""
    yield shared_nats
    for name in shared_nats.api("STREAM.NAMES").get("streams") or ():
        shared_nats.api(f"STREAM.DELETE.{name}")


def refusal(server: NatsServer, *subjects: str, **config: object) -> ConfigurationError:
    publisher = Publisher(settings_for(server, **config), subjects or [SUBJECT])
    with pytest.raises(ConfigurationError) as caught:
        publisher.start()
    publisher.close(timeout=5)
    return caught.value


def config_of(server: NatsServer) -> dict[str, Any]:
    config: dict[str, Any] = server.stream_info(STREAM)["config"]
    return config


def test_a_created_stream_keeps_messages_on_disk_and_takes_batches(
    server: NatsServer,
) -> None:
    with publishing(server) as publisher:
        assert publisher.mode == "fast"
    config = config_of(server)
    assert config["subjects"] == ["txlog.>"]
    assert config["storage"] == "file"
    assert config["duplicate_window"] == 120 * 10**9
    assert config["allow_atomic"]
    assert config["allow_batched"]
    assert config["allow_direct"]


def test_a_created_stream_is_as_the_operator_wishes(server: NatsServer) -> None:
    wishes = {
        "subjects": ["txlog.events", "other.>"],
        "storage": "memory",
        "max_age": "24h",
        "max_bytes": 1_000_000,
        "max_msgs": 500,
        "max_msg_size": 4096,
        "discard": "new",
        "duplicate_window": 30,
        "compression": "s2",
        "retention": "workqueue",
        "allow_atomic": False,
        "replicas": 1,
    }
    with publishing(server, stream_config=wishes):
        pass
    config = config_of(server)
    expected = wishes | {"max_age": 86_400 * 10**9, "duplicate_window": 30 * 10**9}
    del expected["replicas"], expected["allow_atomic"]
    assert {name: config.get(name) for name in expected} == expected
    assert not config.get("allow_atomic")


@pytest.mark.parametrize("create", ["off", "if_missing"])
def test_an_existing_stream_is_never_changed(server: NatsServer, create: str) -> None:
    server.add_stream(STREAM, ["txlog.>"], max_msgs=77)
    before = config_of(server)
    with publishing(server, create_stream=create, stream_config={"max_msgs": 5}) as publisher:
        assert publisher.mode == "window"
        publish(publisher, messages(3))
    assert config_of(server) == before


def test_update_changes_what_was_asked_and_nothing_else(server: NatsServer) -> None:
    server.add_stream(STREAM, ["txlog.>"], max_msgs=77, metadata={"owner": "dba"})
    before = config_of(server)
    wishes = {"max_age": "1h", "allow_atomic": True}
    with publishing(server, create_stream="update", stream_config=wishes) as publisher:
        assert publisher.mode == "atomic"
    after = config_of(server)
    assert after.pop("max_age") == 3600 * 10**9
    assert after.pop("allow_atomic")
    before.pop("max_age")
    before.pop("allow_atomic", None)
    assert after.pop("metadata")["owner"] == before.pop("metadata")["owner"] == "dba"
    assert after == before


def test_a_subject_that_no_stream_captures_is_told_at_the_start(server: NatsServer) -> None:
    error = refusal(server, create_stream="off")
    assert "no stream captures subject txlog" in str(error)
    assert "`create_stream: if_missing`" in str(error)
    assert error.exit_code == 2


def test_a_subject_that_the_stream_does_not_capture_is_told_at_the_start(
    server: NatsServer,
) -> None:
    server.add_stream(STREAM, ["txlog.other"])
    error = refusal(server, "txlog.events")
    assert "no stream captures subject txlog.events" in str(error)
    assert "captures txlog.other" in str(error)


@pytest.mark.parametrize("own", [True, False])
def test_a_subject_of_another_stream_names_that_stream(server: NatsServer, own: bool) -> None:
    server.add_stream("THEIRS", ["txlog.>"])
    if own:
        server.add_stream(STREAM, ["nothing"])
    error = refusal(server, "txlog.events", create_stream="off")
    assert "captured by stream THEIRS, not by EVENTS" in str(error)


def test_a_configuration_that_nats_refuses_is_told_in_its_words(server: NatsServer) -> None:
    error = refusal(server, stream_config={"storage": "paper"})
    assert "NATS refuses to create stream EVENTS" in str(error)


@pytest.mark.parametrize("subject", ["$JS.API.events", "$SYS.events"])
def test_a_subject_of_the_server_itself_is_refused_at_once(
    server: NatsServer, subject: str
) -> None:
    """The server answers with a code as for passing troubles."""
    error = refusal(server, subject, stream_config={"subjects": [subject]})
    assert "NATS refuses to create stream EVENTS: subjects that overlap with" in str(error)
    assert "`subject`" in str(error)


def test_a_server_without_jetstream_is_told(make_nats: Callable[..., NatsServer]) -> None:
    plain = make_nats(jetstream=None)
    error = refusal(plain, connect_timeout=0.5)
    assert "JetStream does not answer" in str(error)


def test_a_window_of_duplicates_shorter_than_a_restart_is_told_once(
    server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    with publishing(server, stream_config={"duplicate_window": 5}):
        pass
    assert [r.message for r in caplog.records if "is 5 s, but a restart may need" in r.message]
    caplog.clear()
    server.api(f"STREAM.DELETE.{STREAM}")
    with publishing(server):
        pass
    assert "a restart may need" not in caplog.text
