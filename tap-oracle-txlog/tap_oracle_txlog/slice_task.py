"""A slice as a task of an engine, on whichever machine that has chosen.

The engine's own package is not needed here. The slice is a process of its own, which ends when the
worker that has started it is gone: its place is taken by another one then.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from tap_oracle_txlog.errors import AccessDeniedError, ConfigurationError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

UNIT: Final = (sys.executable, "-m", "tap_oracle_txlog.slice_pipe")
LASTING: Final = frozenset(
    one.exit_code for one in (ConfigurationError, AccessDeniedError, DataError)
)
"""Exit codes for what the next try would not change."""

WAIT_SECONDS: Final = 10.0
"""Dask retries at once, so a task that failed keeps its place for this long: a server may be away,
or the process of a killed worker not have ended yet."""


class SliceFailedError(Exception):
    """A slice has failed, and another try may succeed."""

    def __init__(self, index: int, code: int) -> None:
        super().__init__(index, code)  # so that it can be sent to another process
        self.code = code

    @override
    def __str__(self) -> str:
        return "slice {} failed with exit code {}".format(*self.args)


def run_slice(plan: str, index: int, options: Sequence[str], wait: float = WAIT_SECONDS) -> int:
    """Run one slice to its end; 0, or an exit code for what the next try would not change.

    Args:
        plan: The whole of it: workers need not share a disk.
        index: Of the slice.
        options: Of ``txlog-slice``, for the settings on this machine.
        wait: Seconds before it may be tried again.

    Raises:
        SliceFailedError: It failed for another reason.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        file.write(plan)
        file.flush()
        command = [*UNIT, file.name, str(index), "--stop-with-stdin", *options]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as unit:  # noqa: S603 - our own command
            code = unit.wait()
    if code == 0 or code in LASTING:
        return code
    time.sleep(wait)
    raise SliceFailedError(index, code)
