"""Questions to the server outside of a run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from target_nats_jetstream.errors import UnreachableError
from target_nats_jetstream.publisher.failures import verdict_on
from target_nats_jetstream.publisher.jetstream.connect import ConnectionLoop, Unreached
from target_nats_jetstream.publisher.jetstream.epoch import Epoch
from target_nats_jetstream.publisher.jetstream.lifetime import EpochEnded
from target_nats_jetstream.publisher.jetstream.subjects import dead_letter_stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from target_nats_jetstream.errors import TargetError
    from target_nats_jetstream.publisher.settings import NatsSettings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StreamState:
    """What a stream holds.

    Args:
        exists: Whether there is such a stream.
        last_at: UTC; None for an empty or missing stream.
        dead_letters: In the stream of dead letters.
    """

    name: str
    exists: bool
    messages: int
    last_at: datetime | None
    dead_letters: int


def stream_state(settings: NatsSettings) -> StreamState:
    """Ask the server for the state of the stream and of its dead letters.

    Raises:
        UnreachableError: The server does not answer.
        AccessDeniedError: It refuses the login.
    """
    return ask(settings, partial(_read_state, name=settings.stream))


async def _read_state(epoch: Epoch, *, name: str) -> StreamState:
    state = await _state(epoch, name)
    letters = await _state(epoch, dead_letter_stream(name)) or {}
    messages = 0 if state is None else state["messages"]
    last = datetime.fromisoformat(state["last_ts"]) if state and messages else None
    return StreamState(name, state is not None, messages, last, letters.get("messages", 0))


async def _state(epoch: Epoch, name: str) -> dict[str, Any] | None:
    """The state of a stream; None where there is no such stream."""
    try:
        state: dict[str, Any] = (await epoch.api(f"STREAM.INFO.{name}"))["state"]
    except EpochEnded as ended:
        if ended.is_not_found:
            return None
        raise
    return state


def ask(settings: NatsSettings, question: Callable[[Epoch], Awaitable[T]]) -> T:
    """Open a connection for ``question``, to the first server that can be reached.

    Raises:
        TargetError: No server could be reached, or it refuses to answer.
    """
    tried: list[str] = []
    for server in settings.servers:
        try:
            return ask_at(server, settings, question)
        except Unreached as unreached:
            tried.append(str(unreached))
    raise unreachable(tried)


def ask_at(server: str, settings: NatsSettings, question: Callable[[Epoch], Awaitable[T]]) -> T:
    """Open a connection to ``server`` for ``question``, from a thread without an event loop.

    Raises:
        Unreached: The server could not be reached.
        TargetError: It refuses to answer.
    """

    async def session() -> T:
        epoch = await Epoch.open(settings, server, settings.connect_timeout, asyncio.Event())
        try:
            return await question(epoch)
        finally:
            await epoch.close()

    with asyncio.Runner(loop_factory=ConnectionLoop) as runner:
        try:
            return runner.run(session())
        except EpochEnded as ended:
            raise no_answer(settings, server, ended) from ended


def no_answer(settings: NatsSettings, server: str, ended: EpochEnded) -> TargetError:
    """Why a question got no answer, as an operator needs to hear it."""
    cause = verdict_on(ended.failure, stream=settings.stream)
    reason = f"NATS at {server} does not answer: {cause.why}"
    return cause.error or UnreachableError(reason, "Check the server")


def unreachable(tried: Sequence[str]) -> UnreachableError:
    """The error where none of the servers could be reached."""
    reason = f"cannot reach NATS at {', '.join(tried)}"
    return UnreachableError(reason, "Start the server or set `servers`")
