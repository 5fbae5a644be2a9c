"""``--verify`` as a judge of tests: the table is read again, and compared with its stream.

It is asked beside what a test compares by itself, so that each proves the other one.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tests.support.pair import BIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECONDS = 300


class Process(Protocol):
    """What is needed of one that runs."""

    def wait(self, timeout: float | None = None) -> int: ...


class Plugin(Protocol):
    """Starts one of the plugins; ``ForkServer`` does, too."""

    def start(
        self, arguments: Sequence[str], folder: Path, env: Mapping[str, str], *fds: int
    ) -> Process: ...


class Installed:
    """A plugin as people start it."""

    def __init__(self, name: str) -> None:
        self._command = str(BIN / name)

    def start(
        self, arguments: Sequence[str], folder: Path, env: Mapping[str, str], *fds: int
    ) -> Process:
        stdin, stdout, stderr = fds
        return subprocess.Popen(
            [self._command, *arguments],
            cwd=folder,
            env=env,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )


TAP, TARGET = Installed("tap-oracle-txlog"), Installed("target-nats-jetstream")


class Verdict(NamedTuple):
    """What a comparison has said."""

    codes: tuple[int, int]
    out: str
    log: str

    @property
    def is_equal(self) -> bool:
        """Whether both have come to their end, and there is something that was compared."""
        return self.codes == (0, 0) and self.out.splitlines()[-1].endswith(": equal")


class Comparing:
    """A comparison under way: ``tap | target --verify``.

    Args:
        home: A folder for configs and outputs.
        tap: The tap's settings.
        target: The target's settings.
        options: More options of the tap.
        plugins: How both are started.
    """

    def __init__(
        self,
        home: Path,
        tap: Mapping[str, object],
        target: Mapping[str, object],
        *options: str,
        plugins: tuple[Plugin, Plugin] = (TAP, TARGET),
    ) -> None:
        home.mkdir(exist_ok=True)
        self._home = home
        for name, config in (("tap", tap), ("target", target)):
            (home / f"{name}.json").write_text(json.dumps(config))
        read_end, write_end = os.pipe()
        with ExitStack() as stack:
            stack.callback(os.close, read_end)
            stack.callback(os.close, write_end)
            nothing = stack.enter_context(Path(os.devnull).open("rb")).fileno()
            out, tap_log, log = (
                stack.enter_context((home / name).open("wb")).fileno()
                for name in ("out", "tap-log", "target-log")
            )
            read = ("--config", "tap.json", *options)
            env = dict(os.environ)
            self._tap = plugins[0].start(read, home, env, nothing, write_end, tap_log)
            asked = ("--config", "target.json", "--verify")
            self._target = plugins[1].start(asked, home, env, read_end, out, log)

    def verdict(self) -> Verdict:
        """Wait for both."""
        codes = self._tap.wait(SECONDS), self._target.wait(SECONDS)
        log = "".join((self._home / f"{name}-log").read_text() for name in ("tap", "target"))
        return Verdict(codes, (self._home / "out").read_text(), log)


def assert_verified(
    home: Path, tap: Mapping[str, object], target: Mapping[str, object], *, rows: int
) -> None:
    """The whole table is in the stream, as ``--verify`` says: each row once, with its content.

    Args:
        home: A folder for configs and outputs.
        tap: The settings of a run that ends.
        target: Those of the same run.
        rows: How many the table has.
    """
    no_ledger = {
        name: value
        for name, value in target.items()
        if not name.startswith(("ledger_", "mariadb_"))  # it would leave out the newest rows
    }
    verdict = Comparing(home / "verified", tap, no_ledger).verdict()
    assert verdict.is_equal, verdict.out + verdict.log[-3000:]
    assert f"{rows:,} rows, {rows:,} messages" in verdict.out, verdict.out
