"""Reads Singer messages, fast and exact, and wakes by time; ``decoding`` says what is in a line.

An SDK reader blocks in ``readline``: while the tap is silent, nothing that is due by time can
happen and no signal is noticed. This one waits for input, a wake-up or a deadline, in the same
thread, so that stdout has one writer. Numbers with a fraction become ``Decimal``: they are never
rounded.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections import Counter
from itertools import groupby
from typing import IO, TYPE_CHECKING, Any

from singer_sdk.singerlib.encoding.base import GenericSingerReader
from typing_extensions import override

from target_nats_jetstream.decoding import (
    BLANK,
    UNREADABLE,
    Envelope,
    as_bytes,
    decode,
    decoded,
    envelopes,
    lacks,
    message_error,
    refuse_line,
)
from target_nats_jetstream.lines import CHUNK_BYTES, LineCutter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NOW = 0.0


def discard(fd: int, readable: Callable[[int, float], bool], deadline: float) -> None:
    """Read and forget until the end of input or ``deadline``.

    A target that exits while Meltano is blocked on a full pipe makes it print tracebacks of its
    own, in which the one line that tells the cause is lost.
    """
    while time.monotonic() < deadline and (not readable(fd, deadline) or os.read(fd, CHUNK_BYTES)):
        pass


class SingerReader(GenericSingerReader[bytes]):
    """Gives each message to its callback, and runs of records to the fast path of their stream.

    Args:
        readable: Waits for input on a file descriptor until a deadline; False when something else
            ended the wait (``Stop.readable``).
        start: Called once, before anything is read.
        idle: Called whenever there is nothing to read; does what is due and returns when
            (time.monotonic) it wants to be called again at the latest.
        fast_path: The function that takes records of a stream as JSON; None where the SDK has to
            see them as messages.
    """

    default_input = None  # type: ignore[assignment]  # stdin is opened by its number, see _chunks

    def __init__(
        self,
        readable: Callable[[int, float], bool],
        start: Callable[[], None],
        idle: Callable[[], float],
        fast_path: Callable[[str | None], Callable[[Sequence[bytes]], None] | None],
    ) -> None:
        super().__init__()
        self._fast_path = fast_path
        self._readable = readable
        self._start = start
        self._idle = idle
        self.max_line_bytes = sys.maxsize
        """How long a line may be; set before anything is read."""
        self.line = 1
        """Number of the line that is looked at; of a run of records, the first one's."""
        self.record = b""
        """The record of that line as it came; where there is none, the line."""
        self.messages = 0
        """How many messages there were, at the end of the input."""

    @override
    def process_lines(
        self,
        file_input: IO[bytes] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        """Read until the end of input.

        Raises:
            DataError: A line is no Singer message, or too long; all messages before it were
                processed.
        """
        self._start()
        counts = Counter(dict.fromkeys(callbacks, 0))
        for lines in self._chunks(file_input):
            done, opened = 0, envelopes(lines)
            for stream, group in groupby(opened, _stream_of_record):
                run = list(group)
                if (process := self._fast_path(stream)) is not None:
                    process([bytes(envelope.record) for envelope in run])
                    counts["RECORD"] += len(run)
                    self.line += len(run)
                else:
                    for envelope, line in zip(run, lines[done : done + len(run)], strict=True):
                        counts[self._process(envelope, line, callbacks)] += 1
                        self.line += 1
                done += len(run)
            if done < len(lines):
                refuse_line(self.line, lines[done])
        del counts[BLANK.type]
        self.messages = counts.total()
        return counts

    def _process(
        self,
        envelope: Envelope,
        line: bytes | str,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> str:
        """Pass one message to its callback, and return its type.

        A record that cannot be decoded arrives as null: it is one wrong record among others. One
        that can be is a record, whatever stands beside it.
        """
        if envelope is BLANK:
            return BLANK.type
        try:
            message = decode(line)
        except UNREADABLE:
            if envelope.type != "RECORD":
                refuse_line(self.line, line)
            record = decoded(bytes(envelope.record))
            message = {"type": "RECORD", "stream": envelope.stream, "record": record}
        if envelope.type not in callbacks:
            refuse_line(self.line, line)
        if why := lacks(message):
            raise message_error(self.line, envelope.type, envelope.stream, why)
        self.record = bytes(envelope.record) or as_bytes(line).rstrip(b"\n")
        callbacks[envelope.type](message)
        return envelope.type

    def _chunks(self, file_input: IO[bytes] | IO[str] | None) -> Iterator[Sequence[bytes]]:
        """The lines that can be had without waiting, again and again.

        Raises:
            DataError: A line is too long; those before it were given.
        """
        lines = LineCutter(self.max_line_bytes)
        for chunk in self._read(file_input):
            yield lines.cut(chunk)
            lines.check(f"line {self.line} of the input")
        yield lines.rest()

    def _read(self, file_input: IO[bytes] | IO[str] | None) -> Iterator[bytes]:
        try:
            fd = 0 if file_input is None else file_input.fileno()
        except io.UnsupportedOperation:  # a file in memory is never silent
            assert file_input is not None  # noqa: S101 - stdin has a number
            text = file_input.read()
            yield text.encode() if isinstance(text, str) else text
            return
        while True:
            while not self._readable(fd, NOW) and not self._readable(fd, self._idle()):
                pass
            chunk = os.read(fd, CHUNK_BYTES)
            if not chunk:
                return
            yield chunk

    @override
    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """A message, exact; raises one of ``UNREADABLE``."""
        message: dict[str, Any] = decode(line)
        return message


def _stream_of_record(envelope: Envelope) -> str | None:
    """Of what is a RECORD with a record in it: all else is for the SDK."""
    return envelope.stream if envelope.type == "RECORD" and envelope.record else None
