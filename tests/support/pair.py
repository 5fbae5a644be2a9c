"""The pair as a pipe of two processes, as a shell would make it; STATE goes to a file.

What Meltano adds is tested in tests/e2e/test_meltano.py; faults are quicker to play here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BIN = Path(sys.executable).parent


@dataclass
class Pair:
    """``run`` reads from the last STATE on and returns when both have ended.

    Args:
        home: A folder for configs, states and logs.
        tap: The tap's settings.
        target: The target's settings.
    """

    home: Path
    tap: Mapping[str, Any]
    target: Mapping[str, Any]
    env: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def start(self) -> RunningPair:
        tap_command = [str(BIN / "tap-oracle-txlog"), "--config", self._file("tap.json", self.tap)]
        if self.states:
            state = self._file("state.json", json.loads(self.states[-1]))
            tap_command += ["--state", state]
        target_config = self._file("target.json", self.target)
        target_command = [str(BIN / "target-nats-jetstream"), "--config", target_config]
        with (self.home / "log").open("ab") as log, (self.home / "states").open("ab") as states:
            tap = subprocess.Popen(tap_command, stdout=subprocess.PIPE, stderr=log, env=self.env)
            target = subprocess.Popen(
                target_command, stdin=tap.stdout, stdout=states, stderr=log, env=self.env
            )
        assert tap.stdout is not None
        tap.stdout.close()
        return RunningPair(tap, target)

    def run(self) -> None:
        """Run to the end; both must succeed."""
        assert self.start().end() == (0, 0), self.log[-4000:]

    def _file(self, name: str, content: Mapping[str, Any]) -> str:
        path = self.home / name
        path.write_text(json.dumps(content))
        return str(path)

    @property
    def states(self) -> list[str]:
        """The whole STATE lines so far; a line that a kill has cut is not one."""
        path = self.home / "states"
        lines = path.read_text().split("\n") if path.exists() else [""]
        return lines[:-1]

    @property
    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")


@dataclass
class RunningPair:
    tap: subprocess.Popen[bytes]
    target: subprocess.Popen[bytes]

    def end(self, *, seconds: float = 60) -> tuple[int, int]:
        """Wait for both; their exit codes, negative after a kill."""
        return self.tap.wait(seconds), self.target.wait(seconds)

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until ``condition()`` holds while the target runs; at once when it has ended."""
        wait_until(lambda: condition() or self.target.poll() is not None, what=what)

    def kill(self) -> None:
        for process in (self.tap, self.target):
            process.kill()
            process.wait(20)
