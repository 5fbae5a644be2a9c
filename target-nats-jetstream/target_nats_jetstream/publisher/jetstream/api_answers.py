"""What the JetStream API answers: the members that are read, each with its type. Pure.

Whoever answers in its place, or a proxy that mends messages, is found out here and in one place.
The source is the API as nats-server writes it (``JSApiStreamInfoResponse`` and the like).
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from typing import Any, Final

import msgspec


class _Error(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Refusal(msgspec.Struct):
    error: _Error


class _Config(msgspec.Struct):
    name: str
    subjects: list[str] | None = None
    max_msg_size: int = -1
    max_msgs: int = -1
    max_msgs_per_subject: int = -1
    max_bytes: int = -1
    max_age: int = 0
    num_replicas: int = 1
    duplicate_window: int = 0
    mirror: dict[str, Any] | None = None


class _State(msgspec.Struct):
    messages: int
    first_seq: int
    last_seq: int
    first_ts: datetime
    last_ts: datetime
    bytes: int = 0


class _Stream(msgspec.Struct):
    config: _Config
    state: _State
    ts: datetime | None = None


class _Stored(msgspec.Struct):
    """A message in a stream; what is base64 in JSON has to be base64."""

    seq: int
    subject: str
    data: bytes = b""
    hdrs: bytes = b""


class _Message(msgspec.Struct):
    message: _Stored


class _Names(msgspec.Struct):
    streams: list[str] | None = None


class _ConsumerConfig(msgspec.Struct):
    max_batch: int = 0


class _Consumer(msgspec.Struct):
    config: _ConsumerConfig
    num_pending: int


_SHAPES: Final[dict[str, type[msgspec.Struct]]] = {
    "STREAM.INFO": _Stream,
    "STREAM.CREATE": _Stream,
    "STREAM.UPDATE": _Stream,
    "STREAM.MSG.GET": _Message,
    "STREAM.NAMES": _Names,
    "CONSUMER.CREATE": _Consumer,
}


def api_answer(call: str, payload: bytes) -> dict[str, Any]:
    """Read the answer to a call such as ``STREAM.INFO.<name>``; it may be a refusal.

    Raises:
        ValueError: It is not what JetStream answers.
    """
    try:
        answer = msgspec.json.decode(payload, type=dict[str, Any])
        shapes = (shape for verb, shape in _SHAPES.items() if f"{call}.".startswith(f"{verb}."))
        shape = _Refusal if "error" in answer else next(shapes, None)
        if shape is not None:
            msgspec.convert(answer, shape)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError from error
    return answer
