"""Files that hold rows or a state: those that the target creates are for its own user alone."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_FILE = 0o600


def open_private(path: Path, mode: str, **options: Any) -> IO[Any]:  # noqa: ANN401 - those of open
    """Open a file as ``open`` does; one that exists keeps its mode.

    Raises:
        OSError: It cannot be opened.
    """
    return open(path, mode, opener=_opener, **options)


def create_private(path: str) -> None:
    """Create an empty file where there is none; where that fails, who uses it will say why."""
    with suppress(OSError):
        os.close(_opener(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags, _FILE)
