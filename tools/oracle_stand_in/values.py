"""Images of column values, as they stand inside an ``lv``. Pure.

Times are text in the one form of this stand-in, ``2026-01-02T03:04:05.123456789``, of zoned types
with ``+08:00`` behind it: exact to nine digits, ordered as text, and what TO_CHAR gives.
"""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Final

from tools.oracle_stand_in.wire import ProtocolError

_PAIRS: Final = bytes(byte // 16 * 10 + byte % 16 for byte in range(256))
_PLUS_ONE: Final = bytes(range(1, 256)) + b"\0"
_FROM_101: Final = bytes((101 - byte) & 0xFF for byte in range(256))


def number(value: int | Decimal) -> bytes:
    """NUMBER: base-100 digits behind an exponent, negative ones complemented."""
    sign, digits, exponent = _parts(value)
    digits += "0" * (exponent % 2)
    pairs = bytes.fromhex("0" * (len(digits) % 2) + digits).translate(_PAIRS)
    point = len(pairs.lstrip(b"\0")) + exponent // 2
    pairs = pairs.strip(b"\0")
    if not pairs:
        return b"\x80"
    if len(pairs) > 20 or not -65 < point < 64:
        msg = f"NUMBER cannot hold {value}"
        raise ValueError(msg)
    if not sign:
        return bytes((192 + point,)) + pairs.translate(_PLUS_ONE)
    return bytes((63 - point,)) + pairs.translate(_FROM_101) + b"\x66" * (len(pairs) < 20)


def _parts(value: int | Decimal) -> tuple[bool, str, int]:
    """Sign, digits and exponent of ten; NaN and infinity have none."""
    if isinstance(value, int):
        return value < 0, str(abs(value)), 0
    sign, digits, exponent = value.as_tuple()
    return bool(sign), "".join(map(str, digits)), int(exponent)


def number_from(image: bytes) -> int | Decimal:
    """The inverse of ``number``: an int when it is integral, else a Decimal."""
    if image == b"\x80":
        return 0
    if image[0] & 0x80:
        point, pairs, sign = image[0] - 192, [digit - 1 for digit in image[1:]], 0
    else:
        body = image[1:-1] if image[-1] == 102 else image[1:]
        point, pairs, sign = 63 - image[0], [101 - digit for digit in body], 1
    digits = tuple(digit for pair in pairs for digit in divmod(pair, 10))
    value = Decimal((sign, digits, 2 * (point - len(pairs))))
    return int(value) if value == value.to_integral_value() else value


def date(value: str) -> bytes:
    """DATE: seven bytes; the fraction is not part of it."""
    year = int(value[:4])
    month, day, hour, minute, second = (int(value[at : at + 2]) for at in (5, 8, 11, 14, 17))
    return bytes(
        (year // 100 + 100, year % 100 + 100, month, day, hour + 1, minute + 1, second + 1)
    )


def timestamp(value: str) -> bytes:
    """TIMESTAMP, and WITH LOCAL TIME ZONE for a session in UTC: the date and nanoseconds."""
    return date(value) + int(value[20:29].ljust(9, "0")).to_bytes(4, "big")


def instant_from(image: bytes) -> str:
    """Text of a DATE, TIMESTAMP or zoned image (whose wall clock is in UTC)."""
    year = (image[0] - 100) * 100 + image[1] - 100
    nanoseconds = int.from_bytes(image[7:11], "big")
    hour, minute, second = (part - 1 for part in image[4:7])
    day = f"{year:04}-{image[2]:02}-{image[3]:02}"
    return f"{day}T{hour:02}:{minute:02}:{second:02}.{nanoseconds:09}"


def binary_double(value: float) -> bytes:
    return _ordered(struct.pack(">d", value))


def binary_float(value: float) -> bytes:
    return _ordered(struct.pack(">f", value))


def boolean(value: bool) -> bytes:
    return b"\1\1" if value else b"\0"


def _ordered(image: bytes) -> bytes:
    """IEEE bytes in the form that sorts: sign inverted, and all bits of a negative number."""
    if image[0] & 0x80:
        return bytes(0xFF - byte for byte in image)
    return bytes((image[0] | 0x80,)) + image[1:]


def bind_from(kind: int, image: bytes | None, charset_form: int) -> object:
    """The Python value of a bind of that type code; an unknown code is a protocol error."""
    if image is None:
        return None
    if kind in {1, 8, 96}:
        return image.decode("utf-16-be" if charset_form == 2 else "utf-8")
    if kind in {2, 3}:
        return number_from(image)
    if kind in {12, 180, 181, 231}:
        return instant_from(image)
    if kind in {23, 24}:
        return image
    msg = f"a bind of type {kind}"
    raise ProtocolError(msg)
