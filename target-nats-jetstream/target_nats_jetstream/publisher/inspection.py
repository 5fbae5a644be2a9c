"""Questions to the stream from outside of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from target_nats_jetstream.publisher.dead_letters import stream_name
from target_nats_jetstream.publisher.epoch import Doubt
from target_nats_jetstream.publisher.judge import Refused
from target_nats_jetstream.publisher.visit import with_epoch

if TYPE_CHECKING:
    from target_nats_jetstream.publisher.epoch import Epoch
    from target_nats_jetstream.publisher.settings import NatsSettings

NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class StreamState:
    """What a stream holds; ``last_at`` is UTC, and None for an empty or missing stream."""

    name: str
    messages: int
    last_at: datetime | None
    dead_letters: int


def stream_state(settings: NatsSettings) -> StreamState:
    """Ask the server for the state of the stream and of its dead letters.

    Raises:
        UnreachableError: The server does not answer.
        AccessDeniedError: It refuses the login.
    """
    return with_epoch(settings, partial(_ask, name=settings.stream))


async def _ask(epoch: Epoch, *, name: str) -> StreamState:
    state = await _state(epoch, name)
    letters = await _state(epoch, stream_name(name))
    messages = state.get("messages", 0)
    last = datetime.fromisoformat(state["last_ts"]) if messages else None
    return StreamState(name, messages, last, letters.get("messages", 0))


async def _state(epoch: Epoch, name: str) -> dict[str, Any]:
    """The state of a stream; empty where there is no such stream."""
    try:
        state: dict[str, Any] = (await epoch.api(f"STREAM.INFO.{name}"))["state"]
    except Doubt as doubt:
        if isinstance(doubt.failure, Refused) and doubt.failure.code == NOT_FOUND:
            return {}
        raise
    return state
