"""The stand-in as a server: one listening socket, one thread for each session.

``with StandIn() as oracle:`` is all a test needs. Leaving the block closes every connection and
waits for every thread: a client that is still open reads an end of file and does not hang.
"""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Final, Self

from tools.oracle_stand_in.channel import Channel
from tools.oracle_stand_in.instance import Instance
from tools.oracle_stand_in.session import Session

if TYPE_CHECKING:
    from types import TracebackType

JOIN_SECONDS: Final = 10.0


class StandIn(Instance):
    """A running server on a free port of 127.0.0.1."""

    host: Final = "127.0.0.1"

    def __init__(self) -> None:
        super().__init__()
        self._listener = socket.create_server((self.host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: dict[threading.Thread, Channel] = {}
        self._sessions = 0
        self._closing = False
        self._acceptor = threading.Thread(target=self._accept, name="stand-in", daemon=True)
        self._acceptor.start()

    @property
    def login(self) -> dict[str, str]:
        """The settings of the tap that lead to it."""
        return {"dsn": self.dsn, "user": self.user, "password": self.password}

    @property
    def dsn(self) -> str:
        return f"{self.host}:{self.port}/{self.service_name}"

    def kill_sessions(self) -> None:
        """Every session that is open learns at its next call that it was killed (ORA-00028)."""
        self.killed = self._sessions

    def drop_sessions(self) -> None:
        """Every connection that is open is lost at once."""
        for channel in list(self._open.values()):
            channel.shut()

    def close(self) -> None:
        """Stop listening, close every connection, wait for every thread."""
        if self._closing:
            return
        self._closing = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(JOIN_SECONDS)
        self.drop_sessions()
        for thread in list(self._open):
            thread.join(JOIN_SECONDS)
            if thread.is_alive():
                self.trouble.append(f"{thread.name} did not end within {JOIN_SECONDS} s")

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            self._sessions += 1
            channel = Channel(connection)
            session = Session(self._sessions, channel, self)
            thread = threading.Thread(
                target=session.run, name=f"stand-in-{self._sessions}", daemon=True
            )
            self._open[thread] = channel
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
