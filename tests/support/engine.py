"""All slices of a plan on workers of Dask on this machine.

Dask is in an environment of its own, laid over that of the tests.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.support.pair import BIN
from tools.servers.cleaner import cleaner

if TYPE_CHECKING:
    from tests.support.slices import Backfill

PYTHON = Path(__file__).parents[2] / ".venv-dask" / "bin" / "python"
SECONDS = 600


class Engine:
    """The command at work, with its scheduler and its workers; leaving the block kills them all."""

    def __init__(self, backfill: Backfill, *options: str) -> None:
        files = {name: str(backfill.home / f"{name}.json") for name in ("tap", "target")}
        command = [str(PYTHON), "-m", "tap_oracle_txlog.dask", "plan.json", *options, "--"]
        command += ["--tap-config", files["tap"], "--target-config", files["target"]]
        command += ["--target", str(BIN / "target-nats-jetstream")]
        self._log = backfill.home / "dask.log"
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=backfill.home,
                env=os.environ | {"PYTHONWARNINGS": "ignore"},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        cleaner().started(-self.process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(SECONDS)
        cleaner().ended(-self.process.pid)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def units(self) -> dict[int, int]:
        """The slices at work, each with its worker."""
        found = {}
        for status in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = status.read_text().rpartition(")")[2].split()
                is_ours = int(fields[2]) == self.process.pid and fields[0] != "Z"
                if is_ours and "slice_pipe" in status.with_name("cmdline").read_text():
                    found[int(status.parent.name)] = int(fields[1])
        return found

    def end(self) -> int:
        return self.process.wait(SECONDS)
