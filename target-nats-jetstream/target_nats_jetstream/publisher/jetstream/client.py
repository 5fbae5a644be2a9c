"""nats-py, with a fast way for the one subscription that gets messages by the million.

And it logs in over TLS or not at all where that was asked for.

For each message nats-py goes through its parser, makes a dict of the headers and a ``Msg``, and
wakes a task. That costs more than all the rest of reading an id, so a raw subscription is handed
what one read from the socket brings, together and as it came.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import nats.errors
from nats.aio.client import Client
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.subscription import Subscription

    RawHandler = Callable[[list[tuple[bytes, bytes, bytes]]], None]
    """Takes reply subject, header block and payload of each message, in their order; it must not
    raise."""

_COMMAND = re.compile(rb"HMSG \S+ (\d+) (\S+) (\d+) (\d+)\r\n")


class RawClient(Client):
    """A client that can hand messages over as they come, and does not log in in clear.

    Args:
        is_encrypted: Whether the connection is.
    """

    def __init__(self, is_encrypted: Callable[[], bool]) -> None:
        super().__init__()
        self._is_encrypted = is_encrypted
        self.raw: dict[int, RawHandler] = {}
        self._ps = _RawParser(self)

    async def subscribe_raw(self, subject: str, on_messages: RawHandler) -> Subscription:
        """Subscribe; ``on_messages`` is called before anything that came later is looked at."""

        async def unused(_: object) -> None:
            """The subscription's own queue stays empty."""

        subscription = await self.subscribe(subject, cb=unused)
        self.raw[subscription._id] = on_messages  # noqa: SLF001 - no public name
        return subscription

    @override
    def _connect_command(self) -> bytes:
        """The login: nats-py also sends it where a server's first line says nothing of TLS.

        Raises:
            nats.errors.SecureConnRequiredError: TLS was asked for, and this is none.
        """
        if "tls" in self.options and not self._is_encrypted():
            raise nats.errors.SecureConnRequiredError
        return super()._connect_command()

    @override
    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None:
        if on_messages := self.raw.get(sid):
            on_messages([(reply, headers or b"", data)])
        else:
            await super()._process_msg(sid, subject, reply, data, headers)

    @override
    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        self.raw.pop(sid, None)
        super()._remove_sub(sid, max_msgs)


class _RawParser(Parser):
    """Takes whole messages of raw subscriptions from the front; the rest goes its usual way."""

    def __init__(self, client: RawClient) -> None:
        super().__init__(client)
        self._raw = client.raw

    @override
    async def parse(self, data: bytes = b"") -> None:
        if self._raw and self.state == AWAITING_CONTROL_LINE:
            self.buf.extend(data)
            self._hand_over()
            data = b""
        await super().parse(data)

    def _hand_over(self) -> None:
        buffer, start = bytes(self.buf), 0
        messages: list[tuple[bytes, bytes, bytes]] = []
        handler: RawHandler | None = None
        while command := _COMMAND.match(buffer, start):
            sid, reply, header_size, size = command.groups()
            end = command.end() + int(size) + 2
            found = self._raw.get(int(sid))
            if end > len(buffer) or found is None or found is not (handler or found):
                break
            handler = found
            payload = command.end() + int(header_size)
            messages.append((reply, buffer[command.end() : payload], buffer[payload : end - 2]))
            start = end
        del self.buf[:start]
        if handler is not None:
            handler(messages)
