"""Cuts what is read into lines, whatever their length and whatever the reads bring. Pure."""

from __future__ import annotations

from itertools import takewhile

from target_nats_jetstream.errors import DataError

#: What is read at a time.
CHUNK_BYTES = 1 << 18


class LineCutter:
    """Gives the lines of an input that comes in chunks.

    No byte is copied more often because its line is long, and of a line that has no end no more is
    held than ``max_bytes`` and a chunk.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = bytearray()
        self.is_too_long = False
        """Whether the line behind those that were given is too long: the input ends there."""

    def cut(self, chunk: bytes) -> list[bytes]:
        """The lines that end in ``chunk``, up to one that is too long."""
        *whole, rest = chunk.split(b"\n")
        if whole:
            whole[0] = bytes(self._rest + whole[0])
            self._rest = bytearray(rest)
        else:
            self._rest += rest
        longest = max(map(len, (*whole, self._rest)))
        self.is_too_long = longest > self._max_bytes
        return list(takewhile(self._fits, whole)) if self.is_too_long else whole

    def _fits(self, line: bytes) -> bool:
        return len(line) <= self._max_bytes

    def rest(self) -> list[bytes]:
        """The last line, where no line feed ends it."""
        return [bytes(self._rest)] if self._rest else []

    def check(self, where: str) -> None:
        """Refuse the line behind those that were given, if it is too long.

        Args:
            where: The line, for people: ``line 7 of the input``.

        Raises:
            DataError: It is.
        """
        if self.is_too_long:
            reason = f"{where} is longer than `max_line_bytes` ({self._max_bytes:,} bytes)"
            raise DataError(reason, "Raise it if the tap has such records; earlier ones are safe")
