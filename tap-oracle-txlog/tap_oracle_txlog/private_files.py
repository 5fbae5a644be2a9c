"""Files that hold rows: those that the tap creates are for its own user alone."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_FILE, _FOLDER = 0o600, 0o700


def open_private(path: Path, mode: str, **options: Any) -> IO[Any]:  # noqa: ANN401 - those of open
    """Open a file as ``open`` does; one that exists keeps its mode.

    Raises:
        OSError: It cannot be opened.
    """
    return open(path, mode, opener=_opener, **options)


def make_private_folder(path: Path) -> None:
    """Make a folder, and those that it is in; those that exist keep their mode.

    Raises:
        OSError: It cannot be made.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=_FOLDER, exist_ok=True)


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags, _FILE)
