"""One connection, from the login to the first failure; after that it can only be closed.

A lost connection, a silence and a refusal are the same thing here: the epoch is over, and what was
stored is decided from what the next epoch reads back.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

import nats.errors

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.publisher.failures import Lost, NoResponders, Refused
from target_nats_jetstream.publisher.jetstream.api_answers import api_answer
from target_nats_jetstream.publisher.jetstream.client import RawClient
from target_nats_jetstream.publisher.jetstream.connect import (
    CLOSE_SECONDS,
    ConnectionLoop,
    connect,
    error_text,
)
from target_nats_jetstream.publisher.jetstream.lifetime import EpochEnded, Lifetime
from target_nats_jetstream.publisher.jetstream.permissions import Permissions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence

    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

    from target_nats_jetstream.publisher.jetstream.client import RawHandler
    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo
    from target_nats_jetstream.publisher.settings import NatsSettings

API_SECONDS = 5.0
MAX_BACKLOG_BYTES = 4 * 1024 * 1024
"""What may wait for the socket before a mode makes a pause."""


class Epoch(Lifetime):
    """One connection to one server. Open with ``Epoch.open``, within a ``ConnectionLoop``.

    Args:
        wake: Set whenever something happens: an answer, or the end of the epoch.
    """

    def __init__(self, settings: NatsSettings, server: str, wake: asyncio.Event) -> None:
        super().__init__(settings.ack_timeout, wake)
        self._settings = settings
        loop = cast("ConnectionLoop", asyncio.get_running_loop())
        self._client = RawClient(loop.is_encrypted)
        self.server = server
        self.permissions = Permissions(settings)
        self._connections = loop.connections

    @classmethod
    async def open(
        cls, settings: NatsSettings, server: str, seconds: float, wake: asyncio.Event
    ) -> Self:
        """Connect and log in; errors are those of ``connect``."""
        epoch = cls(settings, server, wake)
        try:
            await connect(epoch._client, settings, server, seconds, epoch._report)
        except BaseException:
            epoch.end(Lost("not connected"))
            await epoch.close()
            raise
        return epoch

    async def close(self) -> None:
        """Close politely where nothing is in doubt, then cut; takes at most two seconds."""
        if not self._ended.done():
            with suppress(OSError, nats.errors.Error):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._client.close()
        await cast("ConnectionLoop", asyncio.get_running_loop()).cut()

    @property
    def version(self) -> tuple[int, int, int]:
        """The version of nats-server."""
        version = self._client.connected_server_version
        return version.major, version.minor, version.patch

    @property
    def max_payload(self) -> int:
        """The server's limit for headers and payload together."""
        return self._client.max_payload

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection has TLS."""
        return self._connections[-1].get_extra_info("ssl_object") is not None

    @property
    def discovered(self) -> list[str]:
        """Other servers of the cluster, as this one names them."""
        return [f"{url.scheme}://{url.netloc}" for url in self._client.discovered_servers]

    async def _report(self, error: Exception | None) -> None:
        known = error or self._client.last_error
        failure = self.permissions.failure(error_text(known) if known else "connection lost")
        if failure is not None:
            self.end(failure)

    # Messages

    def send(self, commands: Sequence[bytes]) -> None:
        """Send whole commands of the protocol, in pieces; nothing is certain before their answers.

        They go to the socket at once. What nats-py has to say itself goes the same way in whole
        commands, from the same thread, so that the two never mix.
        """
        self.check()
        self._connections[-1].write(b"".join(commands))

    async def drain(self) -> None:
        """Let answers in, and wait while too much of what was sent is still to be written.

        Raises:
            EpochEnded: The epoch is over, or nothing could be written for ``ack_timeout``.
        """
        await asyncio.sleep(0)
        backlog = self._connections[-1].get_write_buffer_size
        await self.until(lambda: backlog() <= MAX_BACKLOG_BYTES)

    # Questions

    @asynccontextmanager
    async def inbox(self, on_answer: Callable[[Msg], Awaitable[None]]) -> AsyncIterator[str]:
        """A subject prefix of its own; answers to ``<prefix>.<anything>`` go to ``on_answer``,
        be it one token or many.

        The subscription is on its way before the context begins, so that no message overtakes it,
        and ends with it.
        """
        subscribe = partial(self._client.subscribe, cb=on_answer, pending_bytes_limit=0)
        async with self._inbox(subscribe) as prefix:
            yield prefix

    @asynccontextmanager
    async def raw_inbox(self, on_messages: RawHandler) -> AsyncIterator[str]:
        """The same for messages by the million, which are handed over as they come."""
        subscribe = partial(self._client.subscribe_raw, on_messages=on_messages)
        async with self._inbox(subscribe) as prefix:
            yield prefix

    @asynccontextmanager
    async def _inbox(
        self, subscribe: Callable[[str], Awaitable[Subscription]]
    ) -> AsyncIterator[str]:
        prefix = self._client.new_inbox()
        self.permissions.spellings.add(f"{prefix}.>")
        subscription = await subscribe(f"{prefix}.>")
        await self.until(lambda: not self._client.pending_data_size)
        try:
            yield prefix
        finally:
            if not self._ended.done():  # with the epoch, its subscriptions are over
                await subscription.unsubscribe()
        self.check()

    async def request(
        self,
        subject: str,
        payload: bytes,
        headers: dict[str, str] | None = None,
        *,
        seconds: float = API_SECONDS,
        tolerant: bool = False,
    ) -> bytes:
        """Ask, and return the answer's payload.

        Args:
            subject: Whom to ask.
            payload: What to ask.
            headers: Headers of the question.
            seconds: How long to wait for the answer.
            tolerant: Where the server forbids to ask, do without an answer and go on.

        Raises:
            EpochEnded: There is no answer, nobody to give one, or the epoch is over.
        """
        self.check()
        self.permissions.spellings.add(subject)
        if tolerant:
            self.permissions.tolerate(subject)
        asking = asyncio.ensure_future(
            self._client.request(subject, payload, timeout=seconds, headers=headers)
        )
        either: list[asyncio.Future[Any]] = [asking, self._ended]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            asking.cancel()
        self.check()
        try:
            answer = await asking
        except nats.errors.NoRespondersError:
            raise EpochEnded(NoResponders(subject)) from None
        except TimeoutError:
            raise EpochEnded(Lost(f"no answer to {subject} for {seconds:g} s")) from None
        except (OSError, nats.errors.Error) as error:
            raise EpochEnded(Lost(error_text(error))) from error
        return answer.data

    async def api(
        self, call: str, request: object = None, *, tolerant: bool = False
    ) -> dict[str, Any]:
        """Call the JetStream API, ``STREAM.INFO.<name>`` for one.

        Raises:
            EpochEnded: As ``request``; with ``Refused`` where the API answers with an error.
            ConfigurationError: What answers is not JetStream.
        """
        payload = b"" if request is None else json.dumps(request).encode()
        subject = f"{self._settings.api_prefix}.{call}"
        came = await self.request(subject, payload, tolerant=tolerant)
        try:
            answer = api_answer(call, came)
        except ValueError:
            reason = f"what answers {subject} at {self.server} is not JetStream"
            raise ConfigurationError(reason, "Check `servers` and `domain`") from None
        if "error" in answer:
            raise EpochEnded(refusal(answer["error"]))
        return answer

    async def try_rights(self, info: StreamInfo) -> None:
        """End the epoch where a right is missing that may be needed later."""
        await self.permissions.try_all(self._client, info)
        self.check()

    async def refused(self, subjects: Iterable[str], headers: dict[str, str]) -> set[str]:
        """Those subjects, in lower case, that the server forbids to publish to.

        Raises:
            EpochEnded: The connection was lost, or something else is forbidden.
        """
        found = await self.permissions.refused(self._client, subjects, headers)
        self.check()
        return found

    async def pull(self, consumer: str, request: object, reply: str) -> None:
        """Ask ``<stream>.<consumer>`` for messages; they come to ``reply``."""
        subject = f"{self._settings.api_prefix}.CONSUMER.MSG.NEXT.{consumer}"
        self.permissions.spellings.add(subject)
        await self._client.publish(subject, json.dumps(request).encode(), reply)


def refusal(error: Mapping[str, Any]) -> Refused:
    """The ``error`` member of an answer as a value."""
    return Refused(
        error.get("code", 0), error.get("err_code", 0), error.get("description", "no reason given")
    )
