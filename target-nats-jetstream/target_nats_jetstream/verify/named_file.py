"""A file that an option names, written while a comparison goes on."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from target_nats_jetstream.errors import ConfigurationError, TargetError
from target_nats_jetstream.private_files import open_private

if TYPE_CHECKING:
    from pathlib import Path


class NamedFile:
    """Opens it, so that it is known at once whether it can be.

    Args:
        option: As it is typed: ``--list``.
        path: Where the file is.

    Raises:
        ConfigurationError: It cannot be opened.
    """

    def __init__(self, option: str, path: Path) -> None:
        self._option = option
        try:
            self._file = open_private(path, "w", encoding="utf-8")
        except OSError as error:
            reason = f"cannot write {option} {path}: {error.strerror}"
            raise ConfigurationError(reason, "Name a file in a folder that exists") from None

    def write(self, text: str, *, is_last: bool = False) -> None:
        """Write ``text``; after the last one everything has left the process.

        Raises:
            TargetError: The disk does not take it.
        """
        try:
            self._file.write(text)
            if is_last:
                self._file.flush()
        except OSError as error:
            reason = f"cannot write {self._option} {self._file.name}: {error.strerror}"
            raise TargetError(reason, "Name a file on a disk that has room") from error

    def close(self) -> None:
        """Close it; what could not be written was said then."""
        with suppress(OSError):
            self._file.close()
