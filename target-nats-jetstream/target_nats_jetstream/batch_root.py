"""Where BATCH files may lie: below one root, which the settings name.

A manifest is the text of somebody else's program. It only ever chooses a file below the root; it
never chooses the storage, and no way out of the root by ``..`` or by a link is followed. A file
that is refused is not opened, so nothing of it can be shown.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from target_nats_jetstream.config import refuse
from target_nats_jetstream.errors import ConfigurationError, DataError, place_of
from target_nats_jetstream.shown import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upath import UPath

#: The tap's default as well; both run in the folder of one Meltano project.
DEFAULT_ROOT: Final = "batches"
#: Stands in the names of our tap's files.
TAP: Final = "tap-oracle-txlog--"
REMEDY: Final = "Set `batch_config.storage.root` of the target to where the tap writes its files"
MISSING: Final = "Check `batch_config.storage.root` and whether the file still exists"
INSTALL: Final = "Install the fsspec package for it"
CHECK_STORAGE: Final = "Check `batch_config.storage`, and whether fsspec knows such a storage"
_LOCAL: Final = "file"


class BatchRoot:
    """The folder below which BATCH files are read and removed.

    Args:
        url: A path, or a URL of fsspec.
        params: For fsspec.
    """

    def __init__(self, url: str = DEFAULT_ROOT, params: Mapping[str, Any] | None = None) -> None:
        self._params = params or {}
        scheme, path = _split(url)
        self._is_local = scheme == _LOCAL
        self._url = os.path.abspath(path) if self._is_local else url  # noqa: PTH100 - no link is followed here
        self._held: dict[Path, int] = {}

    @classmethod
    def of(cls, batch_config: Mapping[str, Any] | None) -> BatchRoot:
        """The root that the setting `batch_config` names.

        Raises:
            ConfigurationError: It names none that can be.
        """
        storage = (batch_config or {}).get("storage") or {}
        root, params = storage.get("root") or DEFAULT_ROOT, storage.get("params") or {}
        if "\0" in root:
            refuse("batch_config.storage.root", "has a NUL in it", "Set a path or a URL")
        if not isinstance(params, dict):
            refuse("batch_config.storage.params", "is not an object", CHECK_STORAGE)
        return cls(root, params)

    def find(self, url: str) -> Path | UPath:
        """The file that a manifest names ``url``; a local one is there, without a link in its path.

        Raises:
            DataError: It is not below the root, or no file.
            ConfigurationError: The root is in a storage that fsspec does not know.
        """
        name = name_below(self._url, url)
        if name is None:
            reason = f"BATCH file {shown(url)} does not lie below {shown(self._url)}"
            raise DataError(reason, REMEDY)
        if not self._is_local:
            return self._elsewhere(name)
        path = self._below(name)
        if path is None:
            reason = f"BATCH file {shown(url)} is not a file below {shown(self._url)}"
            raise DataError(reason, MISSING)
        if TAP in path.name and path.parent not in self._held:
            self._hold(path.parent)
        return path

    def _hold(self, folder: Path) -> None:
        """Lock a folder, as others may as well: our tap clears one that nobody has locked."""
        with suppress(OSError):  # a file system without locks
            self._held[folder] = descriptor = os.open(folder, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_SH)

    def close(self) -> None:
        """Let go of the folders."""
        while self._held:
            os.close(self._held.popitem()[1])

    def _below(self, name: str) -> Path | None:
        """The local file, if there is one; not what only looks as if it were below the root."""
        root, path = os.path.realpath(self._url), os.path.realpath(f"{self._url}/{name}")
        inside = os.path.commonpath((root, path)) == root
        return Path(path) if inside and os.path.isfile(path) else None  # noqa: PTH113 - it never raises

    def _elsewhere(self, name: str) -> UPath:
        from upath import UPath  # noqa: PLC0415 - with fsspec behind it, for nobody else

        try:
            root: UPath = UPath(self._url, **self._params)
        except (ImportError, ValueError) as error:
            raise unusable(self._url, error) from error
        return root / name


def name_below(root: str, url: str) -> str | None:
    """The path of the file ``url`` below ``root``; None where it can have none.

    The name alone counts of a file that seems to lie elsewhere: the tap may see the same storage in
    another place.
    """
    (own, base), (scheme, path) = _split(root), _split(url)
    base = f"{base.rstrip('/')}/"
    name = path.removeprefix(base) if path.startswith(base) else path.rpartition("/")[2]
    parts = name.split("/")
    usable = name.isprintable() and all(parts) and not {".", ".."} & {*parts, *path.split("/")}
    return name if usable and scheme == own else None


def unusable(url: str, error: Exception) -> ConfigurationError:
    """The error for a storage that fsspec cannot open; a missing package is named by its text."""
    is_missing = isinstance(error, ImportError)
    cause, remedy = (error, INSTALL) if is_missing else (place_of(error), CHECK_STORAGE)
    return ConfigurationError(f"setting `batch_config`: cannot open {shown(url)}: {cause}", remedy)


def _split(url: str) -> tuple[str, str]:
    """Scheme and path; ``local`` is fsspec's other name for files."""
    scheme, is_url, path = url.partition("://")
    if not is_url or scheme.lower() in {_LOCAL, "local"}:
        return _LOCAL, path if is_url else url
    return scheme.lower(), path
