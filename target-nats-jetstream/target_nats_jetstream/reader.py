"""Reads Singer messages, fast and exact, wakes by time, and explains what is wrong with them.

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
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import IO, TYPE_CHECKING, Any, NoReturn

import msgspec
from singer_sdk import exceptions
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from typing_extensions import override

from target_nats_jetstream.errors import DataError, TargetError
from target_nats_jetstream.lines import CHUNK_BYTES, LineCutter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: What decoders raise: text that is no JSON, bytes that are no UTF-8, values that are nested too
#: deeply, exponents that no number has.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation)
SHOWN_CHARACTERS = 24
NOW = 0.0


def discard(fd: int, readable: Callable[[int, float], bool], deadline: float) -> None:
    """Read and forget until the end of input or ``deadline``.

    A target that exits while Meltano is blocked on a full pipe makes it print tracebacks of its
    own, in which the one line that tells the cause is lost.
    """
    while time.monotonic() < deadline and (not readable(fd, deadline) or os.read(fd, CHUNK_BYTES)):
        pass


class Envelope(msgspec.Struct):
    """What has to be known of a line to send a record on its way: the record stays JSON."""

    type: str
    stream: str | None = None
    record: msgspec.Raw = msgspec.Raw(b"")


BLANK = Envelope("")


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
        self._open = msgspec.json.Decoder(Envelope).decode
        self._decode = msgspec.json.Decoder(float_hook=Decimal).decode
        self.max_line_bytes = sys.maxsize
        """How long a line may be; set before anything is read."""
        self.line = 1
        """Number of the line that is looked at; of a run of records, the first one's."""
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
            done = 0
            for stream, group in groupby(self._opened(lines), _stream_of_record):
                run = list(group)
                if (process := self._fast_path(stream)) is not None:
                    process([bytes(envelope.record) for envelope in run])
                    counts["RECORD"] += len(run)
                    self.line += len(run)
                else:
                    for line in lines[done : done + len(run)]:
                        counts[self._process(line, callbacks)] += 1
                        self.line += 1
                done += len(run)
            if done < len(lines):
                _refuse(self.line, lines[done])
        del counts[BLANK.type]
        self.messages = counts.total()
        return counts

    def _opened(self, lines: Sequence[bytes | str]) -> list[Envelope]:
        """The envelopes of ``lines``, up to one that is no JSON object of a message."""
        try:
            return list(map(self._open, lines))
        except UNREADABLE:
            opened = []
        with suppress(*UNREADABLE):
            for line in lines:
                opened.append(self._open(line) if line.strip() else BLANK)  # noqa: PERF401 - those before the bad one are wanted
        return opened

    def _process(
        self,
        line: bytes | str,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> str:
        """Give one message to its callback; tells its type."""
        if not line.strip():
            return BLANK.type
        try:
            message = self._decode(line)
            callback = callbacks[message["type"]]
        except (*UNREADABLE, KeyError):
            _refuse(self.line, line)
        callback(message)
        return str(message["type"])

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
        """A record of a BATCH file.

        Raises:
            DataError: It is no JSON object.
        """
        try:
            record = self._decode(line)
        except UNREADABLE:
            record = None
        if isinstance(record, dict):
            return record
        reason = "a line of a BATCH file is not a JSON object"
        raise DataError(reason, "Check what the tap writes; earlier records are safe")


def _stream_of_record(envelope: Envelope) -> str | None:
    """Of what is a RECORD with a record in it: all else is for the SDK."""
    return envelope.stream if envelope.type == "RECORD" and envelope.record else None


def _refuse(number: int, line: bytes | str) -> NoReturn:
    reason = f"line {number} of the input is not a Singer message: {_shown(line)}"
    raise DataError(reason, "Check what the tap writes to stdout; earlier records are safe")


def _shown(line: bytes | str) -> str:
    text = line.decode(errors="replace") if isinstance(line, bytes) else line
    return repr(text[:SHOWN_CHARACTERS] + ("…" if len(text) > SHOWN_CHARACTERS else ""))


def explain(error: Exception) -> TargetError:
    """The error that an operator can act on; the SDK's own texts show whole records."""
    match error:
        case TargetError():
            return error
        case exceptions.RecordsWithoutSchemaException():
            reason = "a RECORD came before the SCHEMA of its stream"
        case exceptions.MissingKeyPropertiesError():
            reason = "a record lacks a key property of its stream"
        case exceptions.InvalidJSONSchema():
            reason = f"a SCHEMA is not a JSON schema: {error}"
        case exceptions.InvalidInputLine():
            reason = "a Singer message lacks a member that the specification requires"
        case _:
            return TargetError(
                f"unexpected {type(error).__name__}: {error}", "Set log_level DEBUG to see where"
            )
    return DataError(reason, "Fix the tap; earlier records are safe")
