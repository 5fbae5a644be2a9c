"""A key as tokens of a subject: two keys that differ have subjects that differ. Pure.

Each value is one token, and the JSON of the value tells which: null, ``"null"``, 1 and ``"1"`` are
four keys. Numbers, ``null``, ``true`` and ``false`` stand as JSON has them, and so does a text that
begins with a letter and is none of these words, without its quotes; any other text keeps them. What
is neither a letter of ASCII, a digit, ``-`` nor ``_`` becomes ``=`` and two hexadecimal digits for
each byte of its UTF-8, as the names of keys in NATS KV allow. Where the whole gets long, it is
``==`` and a digest: an equals sign is followed by another one nowhere else.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_CHARACTERS = 200
_DIGEST_CHARACTERS = 32  # 128 bits
_UNSAFE = re.compile(rb"[^A-Za-z0-9_-]")
_PLAIN = re.compile(r"(?!(?:null|true|false)\Z)[A-Za-z]")
_encode = msgspec.json.Encoder(decimal_format="number").encode


def key_tokens(values: Sequence[object]) -> str:
    """The tokens for the values of a key, joined by dots.

    Args:
        values: Of its fields, in the order of the key; at least one.
    """
    text = ".".join(map(_token, values))
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"=={sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]}"


def _token(value: object) -> str:
    is_plain = isinstance(value, str) and _PLAIN.match(value)
    text = value.encode() if is_plain and isinstance(value, str) else _encode(value)
    return _UNSAFE.sub(_escaped, text).decode()


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"=%02X" % found[0][0]
