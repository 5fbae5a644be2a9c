"""One message on trial: whether what a run needs of NATS is there, without any trace in a run.

It has a subject of its own, ``<subject>.test``, so that no consumer takes it for a record, and
neither an id nor the name of a pipeline, so that no run recognises it as one of its own.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from target_nats_jetstream.publisher.inspection import ask
from target_nats_jetstream.publisher.jetstream.epoch import refusal
from target_nats_jetstream.publisher.jetstream.lifetime import EpochEnded
from target_nats_jetstream.publisher.jetstream.stream import check_subjects, find_stream

if TYPE_CHECKING:
    from target_nats_jetstream.publisher.jetstream.epoch import Epoch
    from target_nats_jetstream.publisher.settings import NatsSettings

SUFFIX: Final = ".test"
HEADER: Final = "Txlog-Test"


def send_test_message(settings: NatsSettings, subject: str) -> dict[str, Any]:
    """Publish one message, and return the server's acknowledgement: stream, subject and sequence.

    Args:
        settings: Where to.
        subject: One that a record can have.

    Raises:
        TargetError: The server cannot be reached or refuses, or no stream takes the subject.
    """
    return ask(settings, partial(_send, settings=settings, subject=f"{subject}{SUFFIX}"))


async def _send(epoch: Epoch, *, settings: NatsSettings, subject: str) -> dict[str, Any]:
    info = await find_stream(epoch, settings)
    await check_subjects(epoch, info, [subject])
    sent_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    payload = json.dumps({"test": True, "sent_at": sent_at}).encode()
    answer = json.loads(await epoch.request(subject, payload, {HEADER: "true"}))
    if "error" in answer:
        raise EpochEnded(refusal(answer["error"]))
    return {"stream": answer["stream"], "subject": subject, "sequence": answer["seq"]}
