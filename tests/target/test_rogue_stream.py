"""Whatever a server of JetStream does or leaves undone, a run ends: what does not get on for
``max_outage`` is given up, even where each new connection succeeds.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest

from target_nats_jetstream.errors import UnreachableError
from target_nats_jetstream.publisher.replay import replay_dead_letters
from tests.support.rogue_jetstream import (
    HANGS_UP,
    SILENCE,
    RogueJetStream,
    Sent,
    a_stream,
    says,
    status,
    stored,
)
from tests.support.target import event, record, schema
from tests.target.publisher.publishing import settings_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.rogue_jetstream import Answer
    from tests.support.target import Message, Run, Target

QUICK: dict[str, Any] = {
    "stream": "EVENTS",
    "create_stream": "off",
    "ack_timeout": 0.5,
    "max_outage": 1,
}
CREATE, NEXT, PUBLISH = "CONSUMER.CREATE", "CONSUMER.MSG.NEXT", ""


def run(
    target: Target, answers: Mapping[str, Answer], *messages: Message, **settings: object
) -> Run:
    with RogueJetStream(answers=answers).listening() as rogue:
        return target.run(*messages, **{"servers": rogue.url, **QUICK, **settings})


def test_a_server_that_answers_is_no_rogue(target: Target) -> None:
    assert run(target, {}, schema(), event(1)).code == 0


ROGUES: dict[str, dict[str, Answer]] = {
    "announces messages and sends none": {NEXT: SILENCE},
    "sends nothing but timeouts": {NEXT: status("408 Request Timeout")},
    "sends the same message again and again": {NEXT: [stored(1, 5), stored(1, 5)]},
    "sends what no consumer sends": {NEXT: [Sent(headers=b"NATS/1.0\r\n\r\n", reply="x")]},
    "makes no consumer": {CREATE: SILENCE},
    "hangs up when it is to send messages": {NEXT: HANGS_UP},
    "tells of no progress without end": {
        "STREAM.INFO": a_stream(allow_batched=True),
        PUBLISH: repeat(says(type="ack", seq=1, msgs=1)[0]),
    },
    "never acknowledges": {PUBLISH: SILENCE},
    "hangs up at each message": {PUBLISH: HANGS_UP},
}


@pytest.mark.parametrize("answers", ROGUES.values(), ids=ROGUES)
def test_a_run_that_does_not_get_on_ends(target: Target, answers: dict[str, Answer]) -> None:
    ended = run(target, answers, schema(), event(1), event(2))
    assert ended.code == 4
    assert ended.error.startswith("cannot reach NATS at ")
    assert not ended.states


def test_messages_that_never_become_fewer_are_read_as_often_as_they_were_announced(
    target: Target,
) -> None:
    many = {NEXT: [stored(sequence, 5) for sequence in range(1, 6)]}
    assert run(target, many, schema(), event(1)).code == 0


def test_what_is_acknowledged_without_end_does_not_keep_the_rest_waiting(target: Target) -> None:
    """One message gets on with each connection."""
    flood = repeat(says(stream="EVENTS", seq=5)[0])
    empty = says(config={}, num_pending=0)
    assert run(target, {PUBLISH: flood, CREATE: empty}, schema(), event(1), event(2)).code == 0


def test_a_dead_letter_that_does_not_get_on_ends_the_run(target: Target) -> None:
    wrong = record(ID="x")
    ended = run(target, {PUBLISH: HANGS_UP}, schema(), wrong, on_error="dead_letter")
    assert ended.code == 4


def test_a_dead_letter_that_comes_again_and_again_ends_a_replay() -> None:
    again = {"STREAM.MSG.GET": says(message={"seq": 1, "subject": "dlq"})}
    with RogueJetStream(answers=again).listening() as rogue:
        settings = settings_for(rogue.url, create_stream="off")
        with pytest.raises(UnreachableError, match="does not answer: it was asked for message 2 "):
            replay_dead_letters(settings)
