"""Writes Singer messages to stdout, a page of records at a time.

The SDK flushes after every record. Here records gather in a buffer; every other message is written
together with what gathered before it and flushed, so that a STATE never waits behind Python's
buffers and the order on stdout is the order of the calls.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.singerlib import Message, RecordMessage
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable

BUFFER_BYTES = 1 << 16


class SingerWriter(GenericSingerWriter[bytes, Message]):
    """The tap's only way to stdout."""

    def __init__(self) -> None:
        # Decimals are numbers with all their digits: never a float, never a string.
        self._encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
        self._buffer = bytearray()

    @override
    def serialize_message(self, message: Message) -> bytes:
        return self._encoder.encode(message.to_dict())

    @override
    def write_message(self, message: Message) -> None:
        self._buffer += self.serialize_message(message)
        self._buffer += b"\n"
        if not isinstance(message, RecordMessage) or len(self._buffer) >= BUFFER_BYTES:
            self.flush()

    def write_records(self, stream: str, rows: Iterable[dict[str, Any]]) -> None:
        """Write JSON-ready ``rows`` as RECORD messages that need no mapping."""
        extracted = self._encoder.encode(datetime.now(UTC))
        head = b'{"type":"RECORD","stream":' + self._encoder.encode(stream) + b',"record":'
        tail = b',"time_extracted":' + extracted + b"}\n"
        encode_into, buffer = self._encoder.encode_into, self._buffer
        for row in rows:
            buffer += head
            encode_into(row, buffer, -1)
            buffer += tail
            if len(buffer) >= BUFFER_BYTES:
                self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system.

        Under PYTHONUNBUFFERED a write that a signal interrupts takes only a part.
        """
        stdout = sys.stdout.buffer
        written = 0
        with memoryview(self._buffer) as whole:
            while written < len(whole):
                written += stdout.write(whole[written:])
        self._buffer.clear()
        stdout.flush()
