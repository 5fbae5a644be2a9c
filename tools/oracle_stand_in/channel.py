"""One client connection as packets: requests in, responses out, and what may come between them.

Knows packets, markers and the ways to end; not what a request means. A client that gives up
waiting (``call_timeout``, ``cancel()``) sends a break marker: ``Interrupted`` takes the running
call down, and the session answers it with ``reset()`` and ORA-01013.
"""

from __future__ import annotations

import select
import socket
import struct
from typing import Final

from tools.oracle_stand_in import wire
from tools.oracle_stand_in.wire import ProtocolError, Reader

RESET: Final = b"\1\0\2"
MID_REQUEST_SECONDS: Final = 10.0
"""A request that stops half-way means that the stand-in misread it: fail, do not hang."""


class Closed(Exception):  # noqa: N818 - an end, not an error
    """The client is gone, or the stand-in is closing down."""


class Interrupted(Exception):  # noqa: N818 - a request of the client, not an error
    """The client wants the running call to stop."""


class Channel:
    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self.sdu = 8192
        self.wide = False
        self.rows_to_live: int | None = None

    def packet(self) -> tuple[int, bytes]:
        """The next packet, type and body, however long it takes to come."""
        header = self._exactly(8)
        length = int.from_bytes(header[:4] if self.wide else header[:2], "big")
        return header[4], self._exactly(length - 8)

    def payload(self) -> bytes:
        """The payload of the next DATA packet."""
        kind, body = self.packet()
        while kind == wire.MARKER:
            if body != RESET:
                raise Interrupted
            kind, body = self.packet()
        if kind != wire.DATA:
            msg = f"a packet of type {kind} instead of data"
            raise ProtocolError(msg)
        if int.from_bytes(body[:2], "big") & wire.END_OF_FILE:
            raise Closed
        return body[2:]

    def request(self) -> Reader:
        """The next request; it may run on over several packets."""
        return Reader(self.payload(), self._next_part)

    def respond(self, payload: bytes) -> None:
        self._socket.sendall(self._packets(payload))

    def send(self, kind: int, body: bytes) -> None:
        self._socket.sendall(wire.packet(kind, body, wide=self.wide))

    def wait(self, seconds: float | None) -> None:
        """Let time pass inside a call; a break marker or a closed connection ends it."""
        readable, _, _ = select.select([self._socket], [], [], seconds)
        if readable:
            self.payload()
            msg = "a request inside a call"
            raise ProtocolError(msg)

    def reset(self) -> None:
        """Answer a break: from here on both sides read from a clean start."""
        self.send(wire.MARKER, RESET)

    def drop(self, half: bytes = b"") -> None:
        """Lose the connection as a network does: after a part of a response, by a reset."""
        if half:
            missing = 64
            self._socket.sendall(self._packets(half + bytes(missing))[:-missing])
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Closed

    def live_through(self, head: bytes, rows: list[bytes]) -> None:
        """Drop behind as many rows as the connection has yet to live; None is for ever."""
        if self.rows_to_live is not None:
            if len(rows) >= self.rows_to_live:
                self.drop(head + b"".join(rows[: self.rows_to_live]))
            self.rows_to_live -= len(rows)

    def shut(self) -> None:
        """Wake whoever reads or waits here, from any thread; they see ``Closed``."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # already closed by the other side

    def close(self) -> None:
        self._socket.close()

    def _packets(self, payload: bytes) -> bytes:
        return b"".join(wire.data_packets(payload, self.sdu))

    def _next_part(self) -> bytes:
        self._socket.settimeout(MID_REQUEST_SECONDS)
        part = self.payload()
        self._socket.settimeout(None)
        return part

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                part = self._socket.recv(size - len(data))
            except ConnectionError as error:
                raise Closed from error
            if not part:
                raise Closed
            data += part
        return bytes(data)
