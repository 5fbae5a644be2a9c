"""A relay before MariaDB that loses one COMMIT, or the answer to it, as a failing network would."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from typing import Self

HOST = "127.0.0.1"
#: COM_QUERY and its text, as PyMySQL sends it for ``commit()``.
COMMIT = b"\x03COMMIT"


class CommitThief:
    """Relays one connection at a time and cuts the one that sends COMMIT number ``which``.

    Args:
        done: Whether the server still gets that COMMIT, so that only its answer is lost.
    """

    def __init__(self, server_port: int, which: int, *, done: bool) -> None:
        self._server_port = server_port
        self._which = which
        self._done = done
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.commits = 0
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=20)
        self._listener.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, socket.create_connection((HOST, self._server_port)) as server:
                    self._relay(client, server)

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as both:
            both.register(client, selectors.EVENT_READ, server)
            both.register(server, selectors.EVENT_READ, client)
            question = b""
            while True:
                for key, _ in both.select():
                    source, other = key.fileobj, key.data
                    assert isinstance(source, socket.socket)
                    data = source.recv(65536)
                    if source is client:
                        question = data
                        self.commits += data.endswith(COMMIT)
                    stolen = self.commits == self._which and question.endswith(COMMIT)
                    if not data or (stolen and self._done is (source is server)):
                        return
                    other.sendall(data)
