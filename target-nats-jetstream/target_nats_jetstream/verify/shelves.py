"""Rows and copies, laid where those of one name meet again: a part of all of them at a time.

So memory holds a part of the whole, whatever the order of the input and of the stream. What is more
than a little goes into temporary files without a name, of which a killed process leaves nothing.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import msgspec

from target_nats_jetstream.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Named(Protocol):
    """What has a name."""

    @property
    def name(self) -> str:
        """By which it is laid."""


T = TypeVar("T", bound=Named)

SHELVES: Final = 64
KEPT: Final = 500
"""So many of one shelf are written at a time."""
KEPT_BYTES: Final = 256 * 1024
"""A shelf that is smaller than this stays in memory."""


class Shelves(Generic[T]):
    """Takes all of one type, in any order.

    Args:
        kind: Their type.
    """

    def __init__(self, kind: type[T]) -> None:
        self._encode = msgspec.json.Encoder().encode_lines
        self._decode = msgspec.json.Decoder(kind).decode_lines
        self._loose: list[list[T]] = [[] for _ in range(SHELVES)]
        self._files = [tempfile.SpooledTemporaryFile(KEPT_BYTES) for _ in range(SHELVES)]  # noqa: SIM115 - see close

    def put(self, things: Iterable[T]) -> None:
        """Lay things where they belong.

        Raises:
            TargetError: The folder for temporary files is full.
        """
        loose = self._loose
        for thing in things:
            shelf = loose[hash(thing.name) % SHELVES]
            shelf.append(thing)
            if len(shelf) >= KEPT:
                self._write(hash(thing.name) % SHELVES)

    def _write(self, number: int) -> None:
        try:
            self._files[number].write(self._encode(self._loose[number]))
        except OSError as error:
            reason = f"cannot write to {tempfile.gettempdir()}: {error.strerror}"
            remedy = "Set TMPDIR to a folder with more room, or compare a shorter time"
            raise TargetError(reason, remedy) from error
        self._loose[number].clear()

    def take(self, number: int) -> list[T]:
        """All things of shelf ``number``, which is empty then."""
        file = self._files[number]
        file.seek(0)
        found = [*self._decode(file.read()), *self._loose[number]]
        self._loose[number] = []
        file.close()
        return found

    def close(self) -> None:
        """Remove the files; idempotent."""
        for file in self._files:
            file.close()
