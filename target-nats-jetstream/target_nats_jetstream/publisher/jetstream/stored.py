"""A stored message, as its headers describe it. Pure."""

from __future__ import annotations

import sys

import msgspec

_ID, _PIPELINE, _DIGEST = (
    b"\r\n%b:" % name for name in (b"Nats-Msg-Id", b"Singer-Pipeline", b"Record-Digest")
)


class Stored(msgspec.Struct, frozen=True, gc=False):
    """What a stored message says of itself; empty where it has no such header."""

    sequence: int
    id: str
    pipeline: str
    digest: str
    payload: str = ""
    """What stands for the payload, where payloads were asked for."""


def stored_from(sequence: int, headers: bytes, payload: str = "") -> Stored:
    """A message by its block of headers, and by what stands for its payload."""
    pipeline = sys.intern(header(headers, _PIPELINE))
    return Stored(sequence, header(headers, _ID), pipeline, header(headers, _DIGEST), payload)


def header(block: bytes, name: bytes) -> str:
    r"""The value of a header, as nats-server itself reads it; empty where there is none.

    Bytes that are no UTF-8 stay what they are, as lone surrogates: they equal no id of ours.

    Args:
        block: From ``NATS/1.0`` to the empty line.
        name: With what is around it: ``\r\nNats-Msg-Id:``.
    """
    start = block.find(name)
    if start < 0:
        return ""
    start += len(name)
    return block[start : block.find(b"\r\n", start)].lstrip(b" ").decode(errors="surrogateescape")
