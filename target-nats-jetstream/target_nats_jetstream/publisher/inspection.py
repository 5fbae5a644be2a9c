"""Questions to the stream from outside of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_nats_jetstream.publisher.dead_letters import count_in, stream_name
from target_nats_jetstream.publisher.epoch import Doubt
from target_nats_jetstream.publisher.judge import Refused
from target_nats_jetstream.publisher.visit import with_epoch

if TYPE_CHECKING:
    from target_nats_jetstream.publisher.epoch import Epoch
    from target_nats_jetstream.publisher.settings import NatsSettings

NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class StreamState:
    """What a stream holds.

    Args:
        exists: Whether there is such a stream.
        last_at: UTC; None for an empty or missing stream.
        dead_letters: In the stream of dead letters.
        dead_letters_in_file: In ``dead_letter_file``, of all pipelines that use the same file.
    """

    name: str
    exists: bool
    messages: int
    last_at: datetime | None
    dead_letters: int
    dead_letters_in_file: int


def stream_state(settings: NatsSettings) -> StreamState:
    """Ask the server for the state of the stream and of its dead letters.

    Raises:
        UnreachableError: The server does not answer.
        AccessDeniedError: It refuses the login.
        ConfigurationError: The file of dead letters cannot be read.
    """
    in_file = count_in(Path(settings.dead_letter_file))
    return with_epoch(settings, partial(_ask, name=settings.stream, in_file=in_file))


async def _ask(epoch: Epoch, *, name: str, in_file: int) -> StreamState:
    state = await _state(epoch, name)
    letters = await _state(epoch, stream_name(name)) or {}
    messages = 0 if state is None else state["messages"]
    last = datetime.fromisoformat(state["last_ts"]) if state and messages else None
    found = letters.get("messages", 0)
    return StreamState(name, state is not None, messages, last, found, in_file)


async def _state(epoch: Epoch, name: str) -> dict[str, Any] | None:
    """The state of a stream; None where there is no such stream."""
    try:
        state: dict[str, Any] = (await epoch.api(f"STREAM.INFO.{name}"))["state"]
    except Doubt as doubt:
        if isinstance(doubt.failure, Refused) and doubt.failure.code == NOT_FOUND:
            return None
        raise
    return state
