"""The primitive encodings of Oracle Net and TTC, and a reader for them.

``ub``/``sb`` are integers led by their length, ``lv`` bytes led by their length, ``llv`` an ``lv``
led by its total length once more. Pure: no socket, no session, no value types (those are in
``values.py``). What cannot be read raises ``ProtocolError`` at once: a guess would move the
trouble to the next field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LONG_LENGTH: Final = 0xFE
LONGEST_SHORT: Final = 252
CHUNK: Final = 32767

CONNECT, ACCEPT, REFUSE, DATA, MARKER = 1, 2, 4, 6, 12
END_OF_FILE: Final = 0x0040
"""Data flag of the client's last packet; it carries no payload."""


class ProtocolError(Exception):
    """The client sent what this stand-in does not know, or the stand-in misread it."""


def ub(value: int) -> bytes:
    """Unsigned integer: one length byte, then that many bytes."""
    if value == 0:
        return b"\0"
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes((len(data),)) + data


def sb(value: int) -> bytes:
    """Signed integer: bit 0x80 of the length byte is the sign."""
    data = ub(abs(value))
    return bytes((data[0] | 0x80,)) + data[1:] if value < 0 else data


def lv(data: bytes) -> bytes:
    """Length and bytes; no bytes is NULL, as an empty string is in Oracle."""
    if len(data) <= LONGEST_SHORT:
        return bytes((len(data),)) + data
    chunks = (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))
    return b"\xfe" + b"".join(ub(len(chunk)) + chunk for chunk in chunks) + b"\0"


def llv(data: bytes) -> bytes:
    """Total length and, unless it is 0, the bytes with their own length."""
    return ub(len(data)) + lv(data) if data else b"\0"


def text(value: str) -> bytes:
    return llv(value.encode())


def packet(kind: int, body: bytes, *, wide: bool) -> bytes:
    """One packet; lengths are 16 bits wide until ACCEPT was sent, and 32 bits afterwards."""
    length = len(body) + 8
    size = length.to_bytes(4, "big") if wide else length.to_bytes(2, "big") + b"\0\0"
    return size + bytes((kind, 0, 0, 0)) + body


def data_packets(payload: bytes, sdu: int) -> Iterable[bytes]:
    """A response cut to packets of at most ``sdu`` bytes."""
    room = sdu - 10
    for start in range(0, len(payload), room):
        yield packet(DATA, b"\0\0" + payload[start : start + room], wide=True)


class Reader:
    """Reads the fields of one request, asking for the next packet whenever it runs dry."""

    def __init__(self, data: bytes, more: Callable[[], bytes]) -> None:
        self._data = data
        self._at = 0
        self._more = more

    @property
    def exhausted(self) -> bool:
        return self._at == len(self._data)

    def take(self, size: int) -> bytes:
        while len(self._data) - self._at < size:
            self._data = self._data[self._at :] + self._more()
            self._at = 0
        self._at += size
        return self._data[self._at - size : self._at]

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def u8(self) -> int:
        return self.take(1)[0]

    def ub(self) -> int:
        size = self.u8()
        if size > 8:
            msg = f"an integer of {size} bytes"
            raise ProtocolError(msg)
        return int.from_bytes(self.take(size), "big")

    def lv(self) -> bytes | None:
        size = self.u8()
        if size in {0, 0xFF}:
            return None
        if size != LONG_LENGTH:
            return self.take(size)
        chunks = []
        while length := self.ub():
            chunks.append(self.take(length))
        return b"".join(chunks)

    def llv(self) -> bytes:
        return (self.lv() or b"") if self.ub() else b""

    def skip(self, shape: str) -> None:
        """Skip fields: ``b`` is a raw byte, ``u`` a ``ub``, ``l`` an ``llv``."""
        for field in shape:
            {"b": self.u8, "u": self.ub, "l": self.llv}[field]()
