"""Files of rows that a BATCH message announces: JSON lines, plain or gzip, read by any SDK target.

A file is complete before anybody hears of it, and its name never comes again. What was written is
removed when it cannot be announced; who deletes the announced ones is the target's affair. What a
kill has left goes at the next start. Nothing here knows Singer's stream of messages, nor state.
"""

from __future__ import annotations

import fcntl
import gzip
import logging
import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.private_files import make_private_folder, open_private
from tap_oracle_txlog.row import Row, chunks, encode_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

#: zlib's fastest: three times as fast as its default, for files that live a few seconds.
GZIP_LEVEL: Final = 1

#: Where files go when `batch_config` names no storage; the target looks for them there as well.
DEFAULT_ROOT: Final = "batches"

_FILE: Final = "file://"
_OURS: Final = "tap-oracle-txlog--"
_SUFFIXES: Final = {None: ".jsonl", "none": ".jsonl", "gzip": ".jsonl.gz"}

logger = logging.getLogger(__name__)


class Storage(Protocol):
    """Where files go: the SDK's ``StorageTarget``, for local files and any URL of fsspec."""

    root: str
    prefix: str | None

    def get_url(self, filename: str) -> str:
        """The URL under which others find the file."""
        ...

    def open(self, filename: str, mode: str) -> AbstractContextManager[IO[bytes]]:
        """Open the file; it is there once the context has ended."""
        ...


class BatchFiles:
    """Writes rows to files of at most ``size`` rows.

    Raises:
        ConfigurationError: The encoding is one that this tap does not write, or ``size`` is none.
    """

    def __init__(self, storage: Storage, *, form: str, compression: str | None, size: int) -> None:
        if form != "jsonl" or compression not in _SUFFIXES:
            reason = f"`batch_config` asks for {form} files with compression {compression}"
            raise ConfigurationError(reason, "This tap writes jsonl, with gzip or none")
        if size < 1:
            reason = f"`batch_config` has a batch_size of {size}"
            raise ConfigurationError(reason, "A file has one row or more")
        self.encoding = {"format": form, "compression": compression or "none"}
        self._storage = storage
        self._size = size

    @classmethod
    def configured(cls, wanted: Mapping[str, Any], read: Callable[[Any], Any]) -> BatchFiles:
        """Those that `batch_config` asks for.

        Args:
            wanted: The setting.
            read: Makes the SDK's object of a config with the setting in it.

        Raises:
            ConfigurationError: It is not complete, or asks for what this tap does not write.
        """
        storage = {"root": DEFAULT_ROOT, **(wanted.get("storage") or {})}
        try:
            config = read({"batch_config": {**wanted, "storage": storage}})
        except TypeError as error:  # the SDK makes objects of what the config holds
            reason = f"`batch_config` is not complete: {error}"
            remedy = "It needs an encoding with format and compression"
            raise ConfigurationError(reason, remedy) from error
        form, packed = config.encoding.format, config.encoding.compression
        return cls(config.storage, form=form, compression=packed, size=config.batch_size)

    @contextmanager
    def in_use(self, *, clear: bool) -> Iterator[None]:
        """Hold the folder, if it is one of this machine.

        Whoever writes or still reads files holds a lock that many can hold, target-nats-jetstream
        as well. Who gets it alone knows that no run is going to read what is there.

        Args:
            clear: Remove that, as no one else will.
        """
        descriptor = None
        if (path := self._path(self._new_name(""))) is not None:
            with suppress(OSError):  # no such folder, or no locks: who writes will say why
                make_private_folder(path.parent)
                descriptor = os.open(path.parent, os.O_RDONLY)
                if clear:
                    _remove_what_is_left(path.parent, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_SH)
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    @contextmanager
    def holding(self, stream: str, rows: Sequence[Row | dict[str, object]]) -> Iterator[list[str]]:
        """Write the rows; the context gets the URLs of the files and announces them.

        Raises:
            ConfigurationError: A file cannot be written.
        """
        names: list[str] = []
        try:
            for part in chunks(rows, self._size):
                name = self._new_name(stream)
                self._write(name, part)
                names.append(name)
            yield [self._url(name) for name in names]
        except BaseException:
            for path in filter(None, map(self._path, names)):
                path.unlink(missing_ok=True)
            raise

    def _new_name(self, stream: str) -> str:
        plain = re.sub(r"[^\w.-]", "_", stream, flags=re.ASCII)  # a URL has it as it is
        suffix = _SUFFIXES[self.encoding["compression"]]
        return f"{self._storage.prefix or ''}{_OURS}{plain}-{uuid4()}{suffix}"

    def _path(self, name: str) -> Path | None:
        """Where the file is on this machine; None for one in other storage."""
        root = self._storage.root.removeprefix(_FILE)
        return None if "://" in root else Path(root).absolute() / name

    def _url(self, name: str) -> str:
        """As readers of the SDK understand it: the path of a file stands in it as it is."""
        path = self._path(name)
        return self._storage.get_url(name) if path is None else f"{_FILE}{path}"

    def _write(self, name: str, rows: Sequence[Row | dict[str, object]]) -> None:
        path = self._path(name)
        try:
            with _replacing(path) if path else self._storage.open(name, "wb") as file:
                self._fill(file, rows)
        except (OSError, ImportError, ValueError) as error:  # as the storage's package has them
            reason = f"cannot write files to the storage of `batch_config`: {_cause(error)}"
            raise ConfigurationError(
                reason, "Check its root and params, space and rights"
            ) from error

    def _fill(self, file: IO[bytes], rows: Sequence[Row | dict[str, object]]) -> None:
        if self.encoding["compression"] == "none":
            _write_lines(file, rows)
            return
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=GZIP_LEVEL) as packed:
            _write_lines(packed, rows)


def _remove_what_is_left(folder: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    left = [path for path in folder.iterdir() if _OURS in path.name]
    for path in left:
        path.unlink()
    if left:
        logger.info("removed %d files in %s that killed runs have left", len(left), folder)


def _write_lines(file: IO[bytes] | gzip.GzipFile, rows: Sequence[Row | dict[str, object]]) -> None:
    for chunk in chunks(rows):
        file.write(encode_lines(chunk))


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when it is complete."""
    make_private_folder(path.parent)
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)  # what a kill has left, or a link to somewhere else
    try:
        with open_private(part, "xb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _cause(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
