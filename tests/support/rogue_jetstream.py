"""A server of JetStream that has bad intentions, or a bad day."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from typing_extensions import override

from tests.support.rogue_nats import RogueNats, first_line

if TYPE_CHECKING:
    import socket

NO_HEADERS = b"NATS/1.0\r\n\r\n"


@dataclass(frozen=True)
class Sent:
    """What the server sends to the subject on which it was asked to answer."""

    payload: bytes = b""
    headers: bytes = b""
    reply: str = ""


#: What is sent for one question; at None, the connection is closed.
Answer = Iterable[Sent | None]
SILENCE: Answer = ()
HANGS_UP: Answer = (None,)


def says(**members: object) -> list[Sent]:
    """The answer of an API."""
    return [Sent(json.dumps(members, separators=(",", ":")).encode())]


def status(line: str) -> Answer:
    """What stands for a message that does not come: ``408 Request Timeout``."""
    return [Sent(headers=f"NATS/1.0 {line}\r\n\r\n".encode())]


def stored(sequence: int, left: int) -> Sent:
    """A message of a consumer, after which so many are left."""
    return Sent(headers=NO_HEADERS, reply=f"$JS.ACK.EVENTS.c.1.{sequence}.{sequence}.1.{left}")


def a_stream(**config: object) -> list[Sent]:
    """What the server says of a stream with five messages."""
    times = dict.fromkeys(("first_ts", "last_ts"), "2026-01-01T00:00:00Z")
    state = {"messages": 5, "first_seq": 1, "last_seq": 5, **times}
    return says(config={"name": "EVENTS", "subjects": [">"], **config}, state=state)


#: The stream can be read back, and takes others one by one. By what follows ``$JS.API.`` in the
#: subject; what is empty stands for all other subjects.
HEALTHY: dict[str, list[Sent]] = {
    "STREAM.INFO": a_stream(),
    "CONSUMER.CREATE": says(config={}, num_pending=5),
    "CONSUMER.MSG.NEXT": [stored(sequence, 5 - sequence) for sequence in range(1, 6)],
    "CONSUMER.DELETE": says(success=True),
    "": says(stream="EVENTS", seq=6),
}


@dataclass
class RogueJetStream(RogueNats):
    """Healthy but for ``answers``."""

    greetings: tuple[bytes, ...] = (first_line(),)
    answers: Mapping[str, Answer] = field(default_factory=dict)

    @override
    def _greet(self, connection: socket.socket, greeting: bytes) -> None:
        connection.settimeout(None)
        with suppress(OSError), connection.makefile("rb") as lines:
            connection.sendall(greeting)
            inbox = _Inbox(connection)
            for line in iter(lines.readline, b""):
                operation, *words = line.decode().split()
                if operation == "PING":
                    connection.sendall(b"PONG\r\n")
                elif operation == "SUB":
                    inbox.sids[words[0].rstrip("*>")] = words[-1]
                elif operation in {"PUB", "HPUB"}:
                    lines.read(int(words[-1]) + 2)
                    sizes = 1 if operation == "PUB" else 2
                    if len(words) == 2 + sizes and not inbox.answer(words[1], self._to(words[0])):
                        return

    def _to(self, subject: str) -> Answer:
        answers: dict[str, Answer] = {**HEALTHY, **self.answers}
        call = subject.partition("$JS.API.")[2]
        if not call:
            return answers[""]
        return next(answers[name] for name in answers if name and call.startswith(name))


class _Inbox:
    """Where the client waits for answers."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.sids: dict[str, str] = {}

    def answer(self, subject: str, answer: Answer) -> bool:
        """Send it; returns whether the connection stays."""
        sid = next(sid for prefix, sid in self.sids.items() if subject.startswith(prefix))
        for sent in answer:
            if sent is None:
                return False
            self._connection.sendall(_command(sent, subject, sid))
        return True


def _command(sent: Sent, subject: str, sid: str) -> bytes:
    body = sent.headers + sent.payload
    sizes = f"{len(sent.headers)} {len(body)}" if sent.headers else f"{len(body)}"
    words = ("HMSG" if sent.headers else "MSG", subject, sid, sent.reply, sizes)
    return " ".join(filter(None, words)).encode() + b"\r\n" + body + b"\r\n"
