"""Ids as text for the state: readable where they are few, compressed where they are many.

What comes back is checked and bounded: a state is a file that anybody may have changed.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from array import array
from typing import TYPE_CHECKING, Final

import msgspec

from tap_oracle_txlog.rules.id_ranges import MAX_RUN, IdRanges, encode_runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_oracle_txlog.rules.id_ranges import Run

READABLE: Final = 1_000
"""Characters up to which ids stand as they are."""

_PACKED: Final = "z:"
_MAX_UNPACKED: Final = 64_000_000


def pack_ranges(ranges: IdRanges, runs: Sequence[Run]) -> str:
    """Runs as text, or their compressed distances."""
    if len(runs) * 2 <= READABLE:
        text = encode_runs(runs)
        if len(text) <= READABLE:
            return text
    return _pack(bytes(_varints(_distances(ranges))))


def unpack_ranges(text: str) -> IdRanges:
    """The inverse of ``pack_ranges``.

    Raises:
        ValueError: The text is damaged.
    """
    if not text.startswith(_PACKED):
        return IdRanges.decode(text)
    numbers = _numbers(_unpack(text))
    ranges, last = IdRanges(), 0
    for distance in numbers:
        low = last + ((distance >> 1) ^ -(distance & 1))
        last = low + next(numbers, MAX_RUN**4)
        ranges.append(low, last)
    return ranges


def pack_others(ids: Sequence[str]) -> str:
    """Ids that are text; empty for none."""
    return _pack(msgspec.json.encode(ids)) if ids else ""


def unpack_others(text: str) -> list[str]:
    """The inverse of ``pack_others``.

    Raises:
        ValueError: The text is damaged.
    """
    if not text:
        return []
    try:
        return msgspec.json.decode(_unpack(text), type=list[str])
    except msgspec.MsgspecError as cause:
        msg = "the ids that are not integers cannot be read"
        raise ValueError(msg) from cause


def pack_numbers(numbers: Sequence[int]) -> str:
    """Numbers of 32 bits, which are as good as random: nothing would make them shorter."""
    return base64.b64encode(struct.pack(f"<{len(numbers)}I", *numbers)).decode()


def unpack_numbers(text: str) -> array[int]:
    """The inverse of ``pack_numbers``.

    Raises:
        ValueError: The text is damaged.
    """
    try:
        content = base64.b64decode(text, validate=True)
        return array("I", struct.unpack(f"<{len(content) // 4}I", content))
    except (binascii.Error, struct.error) as cause:
        msg = "the checks of rows cannot be read"
        raise ValueError(msg) from cause


def _pack(content: bytes) -> str:
    return _PACKED + base64.b64encode(zlib.compress(content, 6)).decode()


def _unpack(text: str) -> bytes:
    try:
        packed = base64.b64decode(text.removeprefix(_PACKED), validate=True)
        unpacked = zlib.decompressobj()
        content = unpacked.decompress(packed, _MAX_UNPACKED)
    except (binascii.Error, zlib.error) as cause:
        msg = "compressed ids cannot be read"
        raise ValueError(msg) from cause
    if not unpacked.eof or unpacked.unused_data:
        msg = "compressed ids have no end"
        raise ValueError(msg)
    return content


def _distances(ranges: IdRanges) -> Iterator[int]:
    last = 0
    for low, high in ranges.ranges():
        distance = low - last
        yield distance << 1 if distance >= 0 else (-distance << 1) - 1
        yield high - low
        last = high


def _varints(numbers: Iterable[int]) -> Iterator[int]:
    for number in numbers:
        rest = number
        while rest > 127:  # seven bits to a byte
            yield rest & 127 | 128
            rest >>= 7
        yield rest


def _numbers(content: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in content:
        number |= (byte & 127) << shift
        if byte < 128:
            yield number
            number = shift = 0
        else:
            shift += 7
