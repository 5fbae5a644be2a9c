"""A test message: it says whether messages get through, and no run ever knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_nats_jetstream.errors import ConfigurationError, TargetError
from target_nats_jetstream.publisher.trial import HEADER, send_test_message
from tests.target.publisher.publishing import (
    STREAM,
    SUBJECT,
    ids,
    messages,
    publish,
    publishing,
    settings_for,
)

if TYPE_CHECKING:
    from tools.servers.nats import NatsServer


def test_a_test_message_is_stored_under_a_subject_of_its_own(nats_server: NatsServer) -> None:
    sent = send_test_message(settings_for(nats_server), SUBJECT)
    assert sent == {"stream": STREAM, "subject": f"{SUBJECT}.test", "sequence": 1}
    (stored,) = nats_server.read_stream(STREAM)
    assert stored.subject == f"{SUBJECT}.test"
    assert stored.headers == {HEADER: "true"}


def test_runs_do_not_take_it_for_a_message_of_theirs(nats_server: NatsServer) -> None:
    settings = settings_for(nats_server)
    for _ in range(2):
        send_test_message(settings, SUBJECT)
        with publishing(nats_server) as publisher:
            publish(publisher, messages(3))
            assert publisher.counts.duplicates in {0, 3}
    assert [one for one in ids(nats_server) if one] == [message.id for message in messages(3)]


def test_a_subject_that_no_stream_takes_is_told_with_the_command_to_add_it(
    nats_server: NatsServer,
) -> None:
    nats_server.add_stream(STREAM, [SUBJECT])
    with pytest.raises(ConfigurationError, match=rf"no stream captures subject {SUBJECT}\.test"):
        send_test_message(settings_for(nats_server), SUBJECT)
    assert nats_server.messages(STREAM) == 0


def test_a_stream_that_is_full_says_so(nats_server: NatsServer) -> None:
    nats_server.add_stream(STREAM, ["txlog.>"], max_msgs=1, discard="new")
    nats_server.store("txlog.other", "one")
    with pytest.raises(TargetError, match="maximum messages exceeded"):
        send_test_message(settings_for(nats_server), SUBJECT)
