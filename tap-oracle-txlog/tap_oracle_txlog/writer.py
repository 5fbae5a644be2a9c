"""Writes Singer messages to stdout, a page of records at a time.

The SDK encodes, writes and flushes every record by itself. Here records are encoded a thousand at a
time and gather in a buffer; every other message is written together with what gathered before it
and flushed, so that a STATE never waits behind Python's buffers and the order on stdout is the
order of the calls.
"""

from __future__ import annotations

import contextlib
import fcntl
import sys
from datetime import UTC, datetime
from itertools import repeat
from typing import TYPE_CHECKING

import msgspec
from singer_sdk.singerlib import Message, RecordMessage
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from typing_extensions import override

from tap_oracle_txlog.errors import TapError
from tap_oracle_txlog.row import chunks, encode, encode_lines
from tap_oracle_txlog.standard_streams import why_unwritable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_oracle_txlog.row import Row

#: What one write hands to the operating system, at least, while there is more to write.
BUFFER_BYTES = 1 << 18

#: What a process without privileges may ask for.
PIPE_BYTES = 1 << 20


class RecordLine(msgspec.Struct, tag_field="type", tag="RECORD", gc=False):
    """The RECORD of a row that needs no mapping; its members are written in this order."""

    stream: str
    record: Row
    time_extracted: datetime


class SingerWriter(GenericSingerWriter[bytes, Message]):
    """The tap's only way to stdout."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @override
    def serialize_message(self, message: Message) -> bytes:
        return encode(message.to_dict())

    @override
    def write_message(self, message: Message) -> None:
        self._buffer += self.serialize_message(message)
        self._buffer += b"\n"
        if not isinstance(message, RecordMessage) or len(self._buffer) >= BUFFER_BYTES:
            self.flush()

    def write_records(self, stream: str, rows: Sequence[Row]) -> None:
        """Write ``rows`` as RECORD messages that need no mapping."""
        now = datetime.now(UTC)
        for chunk in chunks(rows):
            lines = map(RecordLine, repeat(stream), chunk, repeat(now))
            self._buffer += encode_lines(lines)
            if len(self._buffer) >= BUFFER_BYTES:
                self.flush()

    def write_batch(
        self, stream: str, encoding: Mapping[str, object], manifest: Sequence[str]
    ) -> None:
        """Write a BATCH message: the records of ``stream`` are in these files."""
        message = {"type": "BATCH", "stream": stream, "encoding": encoding, "manifest": manifest}
        self._buffer += encode(message) + b"\n"
        self.flush()

    @staticmethod
    def widen_pipe() -> None:
        """Let the target work on while the next page is read: Linux gives a pipe 64 KiB, a few
        hundred rows.
        """
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # no pipe, or the system does not allow as much
                fcntl.fcntl(sys.stdout.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def flush(self) -> None:
        """Hand everything to the operating system.

        Raises:
            BrokenPipeError: The target has ended.
            TapError: stdout is closed, or its disk is full.
        """
        try:
            self._write()
        except BrokenPipeError:
            raise
        except OSError as error:
            reason = f"cannot write to stdout: {why_unwritable(error)}"
            raise TapError(reason, "Let it go to the target, or to a disk with room") from error

    def _write(self) -> None:
        """Under PYTHONUNBUFFERED a write that a signal interrupts takes only a part."""
        stdout = sys.stdout.buffer
        written = 0
        with memoryview(self._buffer) as whole:
            while written < len(whole):
                written += stdout.write(whole[written:])
        self._buffer.clear()
        stdout.flush()
