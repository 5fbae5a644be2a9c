"""Files of records that a BATCH message names: read in pieces, removed when they are safe.

JSON lines, plain or gzip, wherever fsspec reaches; no Singer message is in them, only records. A
file belongs to the run that announces it: it is removed once its records are acknowledged, because
no run asks for it again.
"""

from __future__ import annotations

import contextlib
import gzip
import logging
import zlib
from collections import Counter
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from target_nats_jetstream.batch_root import unusable
from target_nats_jetstream.errors import DataError
from target_nats_jetstream.lines import CHUNK_BYTES, LineCutter
from target_nats_jetstream.shown import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from upath import UPath

    from target_nats_jetstream.batch_root import BatchRoot

GZIP = b"\x1f\x8b"
REMEDY = "Set `batch_config` of the tap to encoding jsonl, compression gzip or none"

logger = logging.getLogger(__name__)


class Bounds(NamedTuple):
    """How long a line of a file may be, and how large the file once it is unpacked; in bytes."""

    line: int
    file: int


class BatchFiles(NamedTuple):
    """The files of one BATCH message, in their order."""

    paths: Sequence[Path | UPath]
    bounds: Bounds

    @classmethod
    def announced(
        cls, message: Mapping[str, Any], root: BatchRoot, bounds: Bounds, *, line: int
    ) -> BatchFiles:
        """The files as a BATCH message announces them; none is opened.

        Args:
            message: With stream, encoding and manifest, as the reader has seen to.
            root: Where they have to lie.
            bounds: How large they may be.
            line: The number of its line, for people.

        Raises:
            DataError: They are of a kind that is not read, one does not lie below ``root``, or one
                is named twice.
        """
        where = f"the BATCH of stream {message['stream']} in line {line}"
        encoding, manifest = message["encoding"], message["manifest"]
        kind, compression = encoding.get("format"), encoding.get("compression")
        if kind != "jsonl" or compression not in ("gzip", "none", None):
            kinds = f"format {shown(str(kind))} and compression {shown(str(compression))}"
            reason = f"{where} has files of {kinds}, which are not supported"
            raise DataError(reason, REMEDY)
        found = Counter(root.find(url) for url in manifest)
        twice = [path for path, count in found.items() if count > 1]
        if twice:
            reason = f"{where} names the file {shown(str(twice[0]))} more than once"
            raise DataError(reason, "Fix the tap: its records would be published as often")
        return cls(list(found), bounds)

    def runs(self, check: Callable[[], None]) -> Iterator[Sequence[bytes]]:
        """The records as JSON, without blanks around them, some at a time; at times there are none.

        Args:
            check: Called again and again, also where nothing comes; what it raises ends the runs.

        Raises:
            DataError: A file is not there, or broken, or larger than the bounds.
            ConfigurationError: fsspec does not know the storage, or lacks a library for it.
        """
        for path in self.paths:
            name = shown(str(path))
            try:
                with path.open("rb") as file, _unpacked(file, check) as unpacked:
                    for run in _runs(unpacked, name, self.bounds):
                        check()
                        yield run
            except (ImportError, ValueError) as error:  # as fsspec has it
                raise unusable(str(path), error) from error
            except (OSError, EOFError, zlib.error) as error:
                reason = f"BATCH file {name} cannot be read: {_cause(error)}"
                raise DataError(reason, "Run the tap again; earlier records are safe") from error

    def remove(self) -> None:
        """Remove the files, if they are files; one that stays costs space and nothing else."""
        for path in self.paths:
            try:
                if path.is_file():
                    path.unlink()
            except OSError as error:
                name = shown(str(path))
                logger.warning("BATCH file %s cannot be removed: %s", name, error.strerror)


def _cause(error: Exception) -> str:
    """Why a file cannot be read; never in the words of a library, which may show what is in it."""
    if isinstance(error, (gzip.BadGzipFile, EOFError, zlib.error)):
        return "it is not gzip, or not all of it"
    return getattr(error, "strerror", None) or type(error).__name__


def _runs(file: IO[bytes] | gzip.GzipFile, name: str, bounds: Bounds) -> Iterator[list[bytes]]:
    """The lines of a file; no more of it is in memory than a line and a chunk."""
    lines, number, size = LineCutter(bounds.line), 1, 0
    while chunk := file.read(CHUNK_BYTES):
        size += len(chunk)
        if size > bounds.file:
            reason = (
                f"BATCH file {name} is larger than `max_batch_file_bytes` ({bounds.file:,} bytes)"
            )
            raise DataError(
                reason, "Raise it if the tap writes such files; earlier records are safe"
            )
        run = lines.cut(chunk)
        yield _without_blanks(run)
        number += len(run)
        lines.check(f"line {number} of BATCH file {name}")
    yield _without_blanks(lines.rest())


def _without_blanks(lines: Sequence[bytes]) -> list[bytes]:
    return list(filter(None, map(bytes.strip, lines)))


def _unpacked(
    file: IO[bytes], check: Callable[[], None]
) -> contextlib.AbstractContextManager[IO[bytes] | gzip.GzipFile]:
    """``file``, unpacked where it is packed: the SDK's taps write gzip whatever they announce."""
    is_gzip = file.read(len(GZIP)) == GZIP
    file.seek(0)
    watched = cast("IO[bytes]", _Watched(file, check))
    return gzip.open(watched) if is_gzip else contextlib.nullcontext(file)


class _Watched:
    """A packed file: one read of what is unpacked may go through all of it and find nothing."""

    def __init__(self, file: IO[bytes], check: Callable[[], None]) -> None:
        self._file = file
        self._check = check

    def read(self, size: int) -> bytes:
        self._check()
        return self._file.read(size)
