"""Files of records that a BATCH message names: read line by line, removed when they are safe.

JSON lines, plain or gzip, wherever fsspec reaches; no Singer message is in them, only records. A
file belongs to the run that announces it: it is removed once its records are acknowledged, because
no run asks for it again.
"""

from __future__ import annotations

import gzip
import logging
import zlib
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from target_nats_jetstream.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from upath import UPath

GZIP = b"\x1f\x8b"
#: How many records are handed over at a time.
RUN_RECORDS = 500
REMEDY = "Set `batch_config` of the tap to encoding jsonl, compression gzip or none"

logger = logging.getLogger(__name__)


class BatchFiles(NamedTuple):
    """The files of one BATCH message, in their order."""

    paths: Sequence[UPath]

    @classmethod
    def announced(
        cls,
        encoding: Mapping[str, Any],
        manifest: Sequence[str],
        storage: Mapping[str, Any] | None = None,
    ) -> BatchFiles:
        """The files as a BATCH message announces them.

        Args:
            encoding: ``format`` and ``compression``, as in the message.
            manifest: Their URLs.
            storage: Where this side finds them instead, when it is not where the tap put them:
                ``root`` and ``params`` of fsspec, as in `batch_config`.

        Raises:
            DataError: They are of a kind that is not read.
        """
        from upath import UPath  # noqa: PLC0415 - with fsspec behind it, for nobody else

        kind, compression = encoding.get("format"), encoding.get("compression")
        if kind != "jsonl" or compression not in {"gzip", "none", None}:
            reason = f"BATCH files of format {kind} and compression {compression} are not supported"
            raise DataError(reason, REMEDY)
        paths = [UPath(url) for url in manifest]
        if storage:
            root = UPath(storage["root"], **storage.get("params", {}))
            paths = [root / path.name for path in paths]
        return cls(paths)

    def runs(self) -> Iterator[Sequence[bytes]]:
        """The records as JSON, without blanks around them, some at a time.

        Raises:
            DataError: A file is not there, or broken.
            ConfigurationError: The library for its storage is not installed.
        """
        lines = self._lines()
        while run := list(islice(lines, RUN_RECORDS)):
            yield run

    def _lines(self) -> Iterator[bytes]:
        for path in self.paths:
            try:
                with path.open("rb") as file, _unpacked(file) as unpacked:
                    yield from filter(None, map(bytes.strip, unpacked))
            except ImportError as error:
                reason = f"cannot open BATCH file {path}: {error}"
                raise ConfigurationError(reason, "Install the fsspec package for it") from error
            except (OSError, EOFError, zlib.error) as error:
                cause = getattr(error, "strerror", None) or error
                reason = f"BATCH file {path} cannot be read: {cause}"
                raise DataError(reason, "Run the tap again; earlier records are safe") from error

    def remove(self) -> None:
        """Remove the files, if they are files; one that stays costs space and nothing else."""
        for path in self.paths:
            try:
                if path.is_file():
                    path.unlink()
            except OSError as error:
                logger.warning("BATCH file %s cannot be removed: %s", path, error.strerror)


def _unpacked(file: IO[bytes]) -> IO[bytes] | gzip.GzipFile:
    """``file``, unpacked where it is packed: the SDK's taps write gzip whatever they announce."""
    is_gzip = file.read(len(GZIP)) == GZIP
    file.seek(0)
    return gzip.open(file) if is_gzip else file
