"""A server that says it is NATS: to get a login out of whoever comes, or because it is none."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 5


def first_line(**members: object) -> bytes:
    """What a server says first, with these members changed."""
    info = {"server_id": "N", "version": "2.14.0", "max_payload": 1_048_576, "headers": True}
    return b"INFO " + json.dumps({**info, **members}).encode() + b"\r\n"


@dataclass
class RogueNats:
    """What it says to those who come, and all that it got.

    Args:
        greetings: The first line for each of them, from the front again at the end.
    """

    greetings: tuple[bytes, ...]
    url: str = ""
    got: bytes = field(default=b"")

    @contextmanager
    def listening(self) -> Iterator[RogueNats]:
        """Serve until the end of the context."""
        with closing(socket.create_server(("127.0.0.1", 0))) as server:
            port = server.getsockname()[1]
            self.url = f"nats://127.0.0.1:{port}"
            thread = threading.Thread(target=self._serve, args=(server,))
            thread.start()
            try:
                yield self
            finally:
                server.shutdown(socket.SHUT_RDWR)
                thread.join()

    def _serve(self, server: socket.socket) -> None:
        with suppress(OSError), ThreadPoolExecutor() as threads:
            for greeting in chain.from_iterable(cycle([self.greetings])):
                connection, _ = server.accept()
                threads.submit(self._converse, connection, greeting)

    def _converse(self, connection: socket.socket, greeting: bytes) -> None:
        with closing(connection):
            self._greet(connection, greeting)

    def _greet(self, connection: socket.socket, greeting: bytes) -> None:
        connection.settimeout(SECONDS)
        with suppress(OSError):
            connection.sendall(greeting)
            while chunk := connection.recv(65_536):
                self.got += chunk
                if b"PING\r\n" in chunk:
                    connection.sendall(b"PONG\r\n")
