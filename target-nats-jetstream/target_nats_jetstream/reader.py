"""Reads Singer messages, fast and exact, wakes by time, and explains what is wrong with them.

An SDK reader blocks in ``readline``: while the tap is silent, nothing that is due by time can
happen and no signal is noticed. This one waits for input, a wake-up or a deadline, in the same
thread, so that stdout has one writer. Numbers with a fraction become ``Decimal``: they are never
rounded.
"""

from __future__ import annotations

import io
import os
import time
from collections import Counter
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk import exceptions
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from typing_extensions import override

from target_nats_jetstream.errors import DataError, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK_BYTES = 1 << 18
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


class SingerReader(GenericSingerReader[bytes]):
    """Gives each message to its callback.

    Args:
        readable: Waits for input on a file descriptor until a deadline; False when something else
            ended the wait (``Stop.readable``).
        start: Called once, before anything is read.
        idle: Called whenever there is nothing to read; does what is due and returns when
            (time.monotonic) it wants to be called again at the latest.
        taker: The function that takes the records of a stream as JSON, None where the SDK has to
            see them as messages. It returns False when it leaves a record to the SDK.
    """

    default_input = None  # type: ignore[assignment]  # stdin is opened by its number, see _lines

    def __init__(
        self,
        readable: Callable[[int, float], bool],
        start: Callable[[], None],
        idle: Callable[[], float],
        taker: Callable[[str | None], Callable[[bytes], bool] | None],
    ) -> None:
        super().__init__()
        self._taker = taker
        self._readable = readable
        self._start = start
        self._idle = idle
        self._decode = msgspec.json.Decoder(float_hook=Decimal).decode

    @override
    def process_lines(
        self,
        file_input: IO[bytes] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        """Read until the end of input.

        Raises:
            DataError: A line is no Singer message; all messages before it were processed.
        """
        self._start()
        counts = dict.fromkeys(callbacks, 0)
        open_envelope = msgspec.json.Decoder(Envelope).decode
        taker = self._taker
        for number, line in enumerate(self._lines(file_input), 1):
            try:
                envelope = open_envelope(line)
                kind = envelope.type
                counts[kind] += 1
            except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
                _refuse_unless_blank(number, line)
                continue
            take = taker(envelope.stream) if kind == "RECORD" else None
            if take is None or not take(bytes(envelope.record)):
                callbacks[kind](self._whole(number, line))
        return Counter(counts)

    def _whole(self, number: int, line: bytes | str) -> dict[str, Any]:
        try:
            return self._decode(line)  # type: ignore[no-any-return]
        except (msgspec.DecodeError, UnicodeDecodeError):
            _refuse_unless_blank(number, line)
            raise

    def _lines(self, file_input: IO[bytes] | IO[str] | None) -> Iterator[bytes | str]:
        try:
            fd = 0 if file_input is None else file_input.fileno()
        except io.UnsupportedOperation:  # a file in memory is never silent
            assert file_input is not None  # noqa: S101 - stdin has a number
            yield from file_input
            return
        rest = b""
        while True:
            while not self._readable(fd, NOW) and not self._readable(fd, self._idle()):
                pass
            chunk = os.read(fd, CHUNK_BYTES)
            if not chunk:
                break
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            yield from lines
        if rest:
            yield rest

    @override
    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """A record of a BATCH file.

        Raises:
            DataError: It is no JSON object.
        """
        try:
            record = self._decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            record = None
        if isinstance(record, dict):
            return record
        reason = f"a line of a BATCH file is no JSON object: {_shown(line)}"
        raise DataError(reason, "Look at what the tap writes; what came before this line is safe")


def _refuse_unless_blank(number: int, line: bytes | str) -> None:
    if line.strip():
        reason = f"line {number} of the input is no Singer message: {_shown(line)}"
        raise DataError(
            reason, "Look at what the tap prints to stdout; what came before this line is safe"
        )


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
            reason = f"a SCHEMA is no JSON schema: {error}"
        case exceptions.InvalidInputLine():
            reason = "a Singer message lacks a member that the specification demands"
        case _:
            return TargetError(
                f"unexpected {type(error).__name__}: {error}", "Set log_level DEBUG to see where"
            )
    return DataError(reason, "Mend the tap; what came before it is safe")
