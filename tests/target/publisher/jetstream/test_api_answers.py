"""Answers that JetStream does not give are told as such, whoever gives them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.publisher.inspection import stream_state
from target_nats_jetstream.publisher.jetstream.api_answers import api_answer
from target_nats_jetstream.publisher.publisher import Publisher
from tests.target.publisher.publishing import SUBJECT, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from tools.servers.nats import NatsServer

STREAM: dict[str, Any] = {
    "config": {"name": "EVENTS", "subjects": ["txlog.>"]},
    "state": {"messages": 0, "first_seq": 1, "last_seq": 0, "first_ts": "0001-01-01T00:00:00Z"},
}
CHANGES: list[dict[str, Any]] = [
    {},  # without the time of the last message
    {"config": 5},
    {"state": []},
    {"config": {"name": 7}},
    {"config": {"name": "EVENTS", "max_age": "long"}},
    {"state": {"messages": None, "first_seq": 1, "last_seq": 0}},
]
ODD = [
    *(b"", b"no JSON", b"[]", b"null", b"{}", b"[" * 9000),
    *(b'{"error": "x"}', b'{"error": {"code": "x"}}', b'{"error": null}'),
    *(json.dumps(STREAM | change).encode() for change in CHANGES),
]


@pytest.mark.parametrize("answer", ODD, ids=range(len(ODD)))
def test_a_server_whose_answers_are_none_is_a_mistake_in_the_settings(
    make_nats: Callable[..., NatsServer], answer: bytes
) -> None:
    server = make_nats(jetstream=None)

    async def ask(client: Client) -> None:
        import asyncio  # noqa: PLC0415

        async def reply(message: Msg) -> None:
            await message.respond(answer)

        await client.subscribe("$JS.API.>", cb=reply)
        await client.flush()
        settings = settings_for(server)
        publisher = Publisher(settings, [SUBJECT])
        try:
            with pytest.raises(ConfigurationError, match=r"is not JetStream\. Check `servers`"):
                await asyncio.to_thread(publisher.start)
        finally:
            await asyncio.to_thread(publisher.close, timeout=5)
        with pytest.raises(ConfigurationError, match="is not JetStream"):
            await asyncio.to_thread(stream_state, settings)

    server.run(ask)


VALUES = st.recursive(
    st.none() | st.integers() | st.text() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
MEMBERS = st.sampled_from(["config", "state", "error", "message", "streams", "num_pending"])


@given(
    st.sampled_from(["STREAM.INFO.S", "STREAM.MSG.GET.S", "STREAM.NAMES", "CONSUMER.CREATE.S.C"]),
    st.dictionaries(MEMBERS, VALUES),
)
def test_an_answer_is_taken_as_it_is_or_not_at_all(call: str, answer: dict[str, Any]) -> None:
    text = json.dumps(answer).encode()
    try:
        found = api_answer(call, text)
    except ValueError:
        return
    assert json.dumps(found) == json.dumps(json.loads(text))
