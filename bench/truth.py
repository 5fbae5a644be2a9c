"""What a stream holds, compared with the rows that it should hold.

Knows no contender: the ids are read from the payloads, which all of them fill with the row's
columns. The reader speaks the protocol by itself, because a client library would take longer to
read a million messages than some contenders need to publish them.
"""

from __future__ import annotations

import json
import socket
from array import array
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader
from typing import TYPE_CHECKING

import msgspec
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from tools.servers.nats import NatsServer

Message = tuple[bytes, bytes]
"""Header block and payload."""

BATCH = 20_000
BUFFER_BYTES = 1 << 20
INBOX = b"_INBOX.truth"
SECONDS = 60
NO_MESSAGES, END_OF_BATCH = 404, 204


class Event(msgspec.Struct):
    """The one field of a payload that is decoded."""

    ID: int


@dataclass(frozen=True)
class Truth:
    """How a stream differs from the table.

    Attributes:
        lost: Rows without a message.
        repeated: Messages beyond the first of their row.
        disordered: First messages of a row that come after one of a later row.
        unknown: Messages without a row.
    """

    stored: int
    distinct: int
    lost: int
    repeated: int
    disordered: int
    unknown: int

    @property
    def exact(self) -> bool:
        return not (self.lost or self.repeated or self.disordered or self.unknown)

    @override
    def __str__(self) -> str:
        names = ("lost", "repeated", "disordered", "unknown")
        found = [f"{count:,} {name}" for name in names if (count := getattr(self, name))]
        return ", ".join(found) or "each once, in order"


def compare(ids: Iterable[int], expected: Sequence[int]) -> Truth:
    """Judge the ids of a stream by those of the table, each in its order."""
    places = {id_: place for place, id_ in enumerate(expected)}
    seen = bytearray(len(expected))
    stored = repeated = disordered = unknown = 0
    furthest = -1
    for id_ in ids:
        stored += 1
        place = places.get(id_)
        if place is None:
            unknown += 1
        elif seen[place]:
            repeated += 1
        else:
            seen[place] = 1
            disordered += place < furthest
            furthest = max(furthest, place)
    distinct = sum(seen)
    return Truth(stored, distinct, len(expected) - distinct, repeated, disordered, unknown)


def read_ids(server: NatsServer, stream: str) -> array[int]:
    """The rows' ids in the order of the stream, which must allow direct gets."""
    decode = msgspec.json.Decoder(Event).decode
    return array("q", (decode(payload).ID for _, payload in _messages(server, stream)))


def read_times(server: NatsServer, stream: str) -> dict[int, datetime]:
    """When the server stored each row's message."""
    decode = msgspec.json.Decoder(Event).decode
    return {
        decode(payload).ID: datetime.fromisoformat(_headers(head)["Nats-Time-Stamp"])
        for head, payload in _messages(server, stream)
    }


def _messages(server: NatsServer, stream: str) -> Iterator[Message]:
    with closing(socket.create_connection(("127.0.0.1", server.port), SECONDS)) as connection:
        options = {"verbose": False, "headers": True, "no_responders": True}
        hello = b"CONNECT " + json.dumps(options).encode() + b"\r\nSUB " + INBOX + b" 1\r\n"
        connection.sendall(hello)
        lines = BufferedReader(connection.makefile("rb", buffering=0), BUFFER_BYTES)
        following = 1
        while following:
            request = json.dumps({"seq": following, "batch": BATCH}).encode()
            subject = f"$JS.API.DIRECT.GET.{stream}".encode()
            head = b"PUB %b %b %d\r\n" % (subject, INBOX, len(request))
            connection.sendall(head + request + b"\r\n")
            following = yield from _batch(lines, connection)


def _batch(
    lines: BufferedReader[socket.SocketIO], connection: socket.socket
) -> Generator[Message, None, int]:
    """The messages of one answer; returns the sequence to go on at, 0 where there is no more."""
    while line := lines.readline():
        verb, *words = line.split()
        if verb == b"HMSG":
            head_size, size = int(words[-2]), int(words[-1])
            block = lines.read(size + 2)
            if block.startswith(b"NATS/1.0 "):
                return _sequence_after(block[:head_size])
            yield block[:head_size], block[head_size:size]
        elif verb == b"PING":
            connection.sendall(b"PONG\r\n")
        elif verb not in {b"INFO", b"PONG"}:
            raise ConnectionError(line.decode())
    msg = "nats-server has hung up"
    raise ConnectionError(msg)


def _sequence_after(head: bytes) -> int:
    status, code = head.split(b"\r\n")[0].decode(), int(head.split()[1])
    if code == NO_MESSAGES:
        return 0
    if code != END_OF_BATCH:
        raise ConnectionError(status)
    fields = _headers(head)
    return int(fields["Nats-Last-Sequence"]) + 1 if int(fields["Nats-Num-Pending"]) else 0


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode().strip().split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines)
