"""A connection for a few questions, outside of a run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from target_nats_jetstream.errors import UnreachableError
from target_nats_jetstream.publisher.connect import ConnectionLoop, Unreached
from target_nats_jetstream.publisher.epoch import Doubt, Epoch
from target_nats_jetstream.publisher.judge import judge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from target_nats_jetstream.publisher.settings import NatsSettings

T = TypeVar("T")


def with_epoch(settings: NatsSettings, ask: Callable[[Epoch], Awaitable[T]]) -> T:
    """Open a connection for a few questions, from a thread without an event loop.

    Raises:
        TargetError: No server could be reached, or it refuses to answer.
    """

    async def session() -> T:
        epoch = await Epoch.open(settings, server, settings.connect_timeout, asyncio.Event())
        try:
            return await ask(epoch)
        finally:
            await epoch.close()

    tried: list[str] = []
    for server in settings.servers:
        with asyncio.Runner(loop_factory=ConnectionLoop) as runner:
            try:
                return runner.run(session())
            except Unreached as unreached:
                tried.append(str(unreached))
            except Doubt as doubt:
                cause = judge(doubt.failure, stream=settings.stream)
                reason = f"NATS at {server} does not answer: {cause.why}"
                raise cause.error or UnreachableError(reason, "Check the server") from doubt
    reason = f"cannot reach NATS at {', '.join(tried)}"
    raise UnreachableError(reason, "Start the server or set `servers`")
