"""The command ``tap-oracle-txlog`` as people start it, and what it says."""

from __future__ import annotations

import fcntl
import json
import os
import select
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.forking import ForkServer

COMMAND = Path(sys.executable).with_name("tap-oracle-txlog")
SECONDS = 300
LOOKS = 20  # that many times the same says that a pipe is full


@dataclass(frozen=True)
class Run:
    """What a process left behind. Half a line at the end of stdout is no message."""

    code: int
    stdout: bytes
    stderr: str

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.rpartition(b"\n")[0].splitlines()]

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.messages]

    @property
    def schema(self) -> dict[str, Any]:
        (message,) = (message for message in self.messages if message["type"] == "SCHEMA")
        return message

    @property
    def records(self) -> list[dict[str, Any]]:
        return [message["record"] for message in self.messages if message["type"] == "RECORD"]

    @property
    def ids(self) -> list[Any]:
        return [record["ID"] for record in self.records]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def bookmark(self) -> dict[str, Any]:
        bookmark: dict[str, Any] = self.states[-1]["bookmarks"]["TXLOG_EVENTS"]
        return bookmark

    def logged(self, level: str) -> list[str]:
        """The texts of the lines of that level."""
        lines = (line.split("|", 3) for line in self.stderr.splitlines())
        return [line[3].strip() for line in lines if len(line) == 4 and line[1].strip() == level]


@dataclass(frozen=True)
class Tap:
    """The command in a folder of its own, with a config that calls may add to."""

    folder: Path
    server: ForkServer
    config: Mapping[str, Any]

    def run(self, *options: str, env: Any = None, **config: Any) -> Run:  # noqa: ANN401  # any setting
        """Run to the end, without the time that a start takes."""
        arguments = [*self._config(config), *options]
        names = ("stdout.txt", "stderr.txt")
        with (
            Path(os.devnull).open("rb") as stdin,
            (self.folder / names[0]).open("wb") as stdout,
            (self.folder / names[1]).open("wb") as stderr,
        ):
            files = (file.fileno() for file in (stdin, stdout, stderr))
            process = self.server.start(arguments, self.folder, environment(env), *files)
        try:
            code = process.wait(SECONDS)
        finally:
            process.kill()
        written, errors = (self.folder.joinpath(name).read_bytes() for name in names)
        return Run(code, written, errors.decode())

    def run_from(self, state: Mapping[str, Any], **config: Any) -> Run:  # noqa: ANN401  # any setting
        """Run to the end, from ``state`` on."""
        return self.run("--state", self.file("state.json", state), **config)

    def start(self, env: Any = None, **config: Any) -> Running:  # noqa: ANN401  # any setting
        """Start the installed command itself."""
        stderr = self.folder / "stderr.txt"
        with stderr.open("wb") as errors:
            process = subprocess.Popen(
                [COMMAND, *self._config(config)],
                cwd=self.folder,
                env=environment(env),
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        return Running(process, stderr)

    def file(self, name: str, content: object) -> str:
        (self.folder / name).write_text(json.dumps(content), encoding="utf-8")
        return name

    def _config(self, changes: Mapping[str, Any]) -> list[str]:
        return ["--config", self.file("config.json", {**self.config, **changes})]


class Running:
    """A tap at work. Its stdout is read only when a test asks, so that it can be held up."""

    def __init__(self, process: subprocess.Popen[bytes], stderr: Path) -> None:
        self.process = process
        self._stderr = stderr
        self._seen = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def read_until(self, text: bytes, times: int = 1) -> None:
        """Read on until stdout has had ``text`` so often."""
        deadline = time.monotonic() + SECONDS
        while self._seen.count(text) < times:
            assert self._read(deadline), f"stdout ended before {text!r} came {times} times"

    def hold_up(self) -> None:
        """Wait until the tap is in the middle of a write, of which a part is in the pipe."""
        self._wait_until_full()
        for _ in range(4):
            self._read(time.monotonic() + SECONDS)
        self._wait_until_full()

    def _wait_until_full(self) -> None:
        """Wait until nothing is added to the pipe although nobody reads."""
        assert self.process.stdout
        descriptor = self.process.stdout.fileno()
        seen: list[int] = []

        def is_full() -> bool:
            answer = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))
            seen.append(int.from_bytes(answer, sys.byteorder))
            return seen[-1] > 0 and seen.count(seen[-1]) >= LOOKS

        wait_until(is_full, what="a full pipe")

    def close_stdout(self) -> Run:
        """Hang up as a target does that ends, and wait for the end."""
        assert self.process.stdout
        self.process.stdout.close()
        return self._ended()

    def rest(self) -> Run:
        """Read to the end of stdout and wait for the process to end."""
        deadline = time.monotonic() + SECONDS
        while self._read(deadline):
            pass
        return self._ended()

    def _ended(self) -> Run:
        code = self.process.wait(SECONDS)
        return Run(code, self._seen, self._stderr.read_text(encoding="utf-8"))

    def _read(self, deadline: float) -> bytes:
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
        assert ready, f"nothing on stdout for {SECONDS} s"
        piece = os.read(self.process.stdout.fileno(), 4096)
        self._seen += piece
        return piece


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """That of the tests, less what would make a tap another, or slow to start."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TAP_ORACLE_TXLOG")
        and name not in {"LOGLEVEL", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    }
    return kept | dict(more or {})
