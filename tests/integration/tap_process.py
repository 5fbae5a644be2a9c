"""The tap as a process of its own, read line by line, and ended by a test as it likes."""

from __future__ import annotations

import json
import os
import select
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.forking import ForkServer

SECONDS = 300


class Ended(NamedTuple):
    """What a tap left behind."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    @property
    def ids(self) -> list[int]:
        return [message["record"]["ID"] for message in self.of("RECORD")]

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.of("STATE")[-1]["value"]
        return state


class TapProcess:
    """A tap at work in ``folder``; leaving the block kills it.

    Its stdout is a pipe: it cannot run ahead of its reader by more than the pipe holds.
    """

    def __init__(
        self, server: ForkServer, folder: Path, config: Mapping[str, Any], *options: str
    ) -> None:
        self._errors = folder / "stderr.txt"
        config_file = folder / "config.json"
        config_file.write_text(json.dumps(config), encoding="utf-8")
        self._stdout, theirs = os.pipe()
        arguments = ["--config", str(config_file), *options]
        with open(os.devnull) as nothing, self._errors.open("w") as errors:  # noqa: PTH123
            fds = (nothing.fileno(), theirs, errors.fileno())
            self.process = server.start(arguments, folder, {"PATH": os.environ["PATH"]}, *fds)
        os.close(theirs)

    def lines(self) -> Iterator[bytes]:
        """The lines of stdout as they come, to its end; half a line at the end is none."""
        rest = b""
        while piece := self._read():
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole

    def end(self) -> Ended:
        """Read what is left of stdout, and wait for the end."""
        stdout = b"".join(iter(self._read, b""))
        code = self.process.wait(SECONDS)
        return Ended(code, stdout, self._errors.read_text(encoding="utf-8"))

    def kill(self) -> None:
        """SIGKILL, as the kernel does it: nothing is flushed, nothing is said."""
        self.process.kill()
        self.process.wait(SECONDS)

    def _read(self) -> bytes:
        ready, _, _ = select.select([self._stdout], [], [], SECONDS)
        assert ready, f"nothing on stdout for {SECONDS} s"
        return os.read(self._stdout, 1 << 16)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        os.close(self._stdout)
