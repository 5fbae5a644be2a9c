"""Who may read a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def mode_of(path: Path) -> int:
    """The rights of owner, group and others."""
    return path.stat().st_mode & 0o777
