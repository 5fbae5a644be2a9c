"""The command ``target-nats-jetstream`` with a stream and a ledger of a test's own.

Truth is read from nats-server and SQLite themselves. Every run is searched for tracebacks and for
the planted secrets, whatever else a test wants to know.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import termios
import threading
from array import array
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import pytest

from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.support.forking import ForkServer
    from tools.servers.nats import NatsServer, Stored

COMMAND = Path(sys.executable).with_name("target-nats-jetstream")
SECONDS = 150
#: In the config and in records; neither may ever be seen in a log.
PASSWORD, ROW_CONTENT = "PLANTED-PASSWORD", "PLANTED-ROW-CONTENT"

Message = dict[str, Any]
EVENTS = {
    "ID": {"type": "integer"},
    "AT": {"type": ["string", "null"], "format": "date-time"},
    "DATA": {"type": ["string", "null"]},
}


def schema(
    stream: str = "EVENTS",
    *,
    keys: Iterable[str] = ("ID",),
    properties: Mapping[str, Any] = EVENTS,
    replication_key: str | None = "AT",
) -> Message:
    message: Message = {"type": "SCHEMA", "stream": stream, "key_properties": list(keys)}
    message["schema"] = {"type": "object", "properties": dict(properties)}
    if replication_key:
        message["bookmark_properties"] = [replication_key]
    return message


def record(stream: str = "EVENTS", **fields: object) -> Message:
    return {"type": "RECORD", "stream": stream, "record": fields}


def batch(
    *manifest: str, stream: str = "EVENTS", form: str = "jsonl", compression: str | None = "none"
) -> Message:
    encoding = {"format": form, "compression": compression}
    return {"type": "BATCH", "stream": stream, "encoding": encoding, "manifest": list(manifest)}


def moment(number: int) -> str:
    """The time of event ``number``: one every millisecond of New Year 2026."""
    seconds, millis = divmod(number, 1000)
    hours, seconds = divmod(seconds, 3600)
    return f"2026-01-01T{hours:02}:{seconds // 60:02}:{seconds % 60:02}.{millis:03}000+00:00"


def event(number: int, stream: str = "EVENTS") -> Message:
    return record(stream, ID=number, AT=moment(number), DATA=ROW_CONTENT)


def state(number: int, stream: str = "EVENTS") -> Message:
    """The STATE of a tap that has sent all events up to ``number``."""
    bookmark = {"replication_key": "AT", "replication_key_value": moment(number)}
    return {"type": "STATE", "value": {"bookmarks": {stream: bookmark}}}


def pages(first: int, last: int, size: int) -> Iterator[Message]:
    """What a tap sends of the events from ``first`` to ``last``: a STATE after each page."""
    yield schema()
    for number in range(first, last + 1):
        yield event(number)
        if number % size == 0 or number == last:
            yield state(number)


def text_of(messages: Iterable[Message | str]) -> str:
    """The lines of a Singer input; a string is a line as it is."""
    return "".join(f"{m if isinstance(m, str) else json.dumps(m)}\n" for m in messages)


class Process(Protocol):
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int) -> None: ...
    def kill(self) -> None: ...


@dataclass(frozen=True)
class Run:
    """What a process left behind."""

    code: int
    states: list[str]
    log: str

    def logged(self, level: str) -> list[str]:
        """The texts of the lines of that level."""
        lines = (line.split("|", 3) for line in self.log.splitlines())
        return [line[3].strip() for line in lines if len(line) == 4 and line[1].strip() == level]

    @property
    def error(self) -> str:
        """The one line that tells the cause."""
        (line,) = self.logged("ERROR")
        return line

    def check(self) -> Self:
        """What holds for every run."""
        for planted in (PASSWORD, ROW_CONTENT, "Traceback"):
            assert planted not in self.log
        of_signal = self.code in {0, 128 + signal.SIGINT, 128 + signal.SIGTERM}
        assert len(self.logged("ERROR")) == (0 if of_signal else 1), self.log
        assert all("|" in line for line in self.log.splitlines()), self.log
        assert all(isinstance(json.loads(line), dict) for line in self.states)
        return self


class Running:
    """A target at work, with an input that stays open until ``end_input``."""

    def __init__(self, process: Process, home: Path) -> None:
        self.process = process
        self.stdin: int | None = None
        self._home = home

    @property
    def states(self) -> list[str]:
        """The STATE lines so far; half a line is none."""
        return (self._home / "stdout").read_text().split("\n")[:-1]

    @property
    def log(self) -> str:
        return (self._home / "stderr").read_text()

    def feed(self, *messages: Message | str) -> None:
        assert self.stdin is not None
        left = text_of(messages).encode()
        while left:
            left = left[os.write(self.stdin, left) :]

    def feed_on(self, messages: Iterable[Message | str]) -> threading.Thread:
        """Feed until the target stops reading, in a thread; the input stays open."""

        def feed() -> None:
            pieces = iter(messages)
            with contextlib.suppress(BrokenPipeError):
                while piece := list(islice(pieces, 100)):
                    self.feed(*piece)

        thread = threading.Thread(target=feed)
        thread.start()
        return thread

    def end_input(self) -> None:
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None

    def until_read(self) -> None:
        """Wait until nothing that was fed is left in the pipe."""
        assert self.stdin is not None
        unread = array("i", [0])

        def empty() -> bool:
            fcntl.ioctl(self.stdin or 0, termios.FIONREAD, unread)
            return unread[0] == 0

        wait_until(empty, what="the input is read")

    def until_logged(self, text: str) -> None:
        wait_until(lambda: text in self.log or self._ended(), what=f"{text!r} is logged")
        assert text in self.log, self.log

    def until_started(self) -> None:
        self.until_logged("progress is kept in")

    def until_states(self, count: int, *, seconds: float = SECONDS) -> None:
        enough = f"{count} STATE lines are there"
        wait_until(lambda: len(self.states) >= count or self._ended(), seconds=seconds, what=enough)
        assert len(self.states) >= count, self.log

    def _ended(self) -> bool:
        return self.process.poll() is not None

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, seconds: float = SECONDS) -> Run:
        """Wait for the end, which has to come within ``seconds``."""
        return Run(self.killed_or_ended(seconds), self.states, self.log).check()

    def killed_or_ended(self, seconds: float = SECONDS) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"no end within {seconds} s: {self.log}")

    def close(self) -> None:
        self.process.kill()
        self.process.wait(SECONDS)
        self.end_input()


@dataclass
class Target:
    """``run`` reads a file and returns at its end; ``start`` reads a pipe that stays open.

    Args:
        forks: What starts the processes; None: each is the installed command.
        env: Environment variables of the command, besides those of the tests.
    """

    home: Path
    server: NatsServer
    forks: ForkServer | None = None
    stream: str = field(default_factory=lambda: f"S_{secrets.token_hex(4)}")
    config: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    _running: list[Running] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.config = {
            "servers": self.server.url,
            "user": "tester",
            "password": PASSWORD,
            "stream": self.stream,
            "subject": f"{self.stream}.{{stream}}",
            "create_stream": "if_missing",
            "ledger_url": f"sqlite:///{self.home}/ledger.db",
            "program_name": "PIPELINE",
            **self.config,
        }

    def run(self, *messages: Message | str, **settings: object) -> Run:
        """Read ``messages`` out of a file, to the end."""
        return self.start_on_file(*messages, **settings).end()

    def start_on_file(self, *messages: Message | str, **settings: object) -> Running:
        path = self.home / "input.singer"
        path.write_text(text_of(messages))
        with path.open("rb") as file:
            return self._start(file.fileno(), None, settings)

    def start(self, *, stdout: int | None = None, **settings: object) -> Running:
        """Start with a pipe as its input, and a file as its output unless there is another."""
        read_end, write_end = os.pipe()
        try:
            running = self._start(read_end, stdout, settings)
        finally:
            os.close(read_end)
        running.stdin = write_end
        return running

    def _start(self, stdin: int, stdout: int | None, settings: Mapping[str, object]) -> Running:
        home = self.home / f"run{len(self._running)}"
        home.mkdir()
        (home / "config.json").write_text(json.dumps({**self.config, **settings}))
        with (home / "stdout").open("wb") as out, (home / "stderr").open("wb") as errors:
            fds = (stdin, out.fileno() if stdout is None else stdout, errors.fileno())
            process = self._process(home, *fds)
        self._running.append(Running(process, home))
        return self._running[-1]

    def _process(self, home: Path, *fds: int) -> Process:
        env = environment() | self.env
        arguments = ["--config", "config.json"]
        if self.forks is not None:
            return self.forks.start(arguments, home, env, *fds)
        stdin, stdout, stderr = fds
        return subprocess.Popen(
            [COMMAND, *arguments], cwd=home, env=env, stdin=stdin, stdout=stdout, stderr=stderr
        )

    def close(self) -> None:
        for running in self._running:
            running.close()

    # Truth

    def stored(self) -> list[Stored]:
        if not self.server.messages(self.stream):
            return []
        return self.server.read_stream(self.stream)

    def records(self) -> list[dict[str, Any]]:
        """The payloads in the order of the stream, without what the target adds."""
        payloads = [json.loads(stored.data) for stored in self.stored()]
        for payload in payloads:
            payload.pop("trace_id", None)
            payload.pop("data_type", None)
        return payloads

    def ids(self) -> list[int]:
        return [payload["ID"] for payload in self.records()]

    def ledger(self) -> dict[str, dict[str, Any]]:
        """The rows of ETL_PRMREC by PROGRAM_NAME."""
        with contextlib.closing(sqlite3.connect(self.home / "ledger.db")) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute("SELECT * FROM ETL_PRMREC").fetchall()
        return {row["PROGRAM_NAME"]: dict(row) for row in rows}


def environment() -> dict[str, str]:
    """That of the tests, without settings of a target in it."""
    return {name: text for name, text in os.environ.items() if not name.startswith("TARGET_")}
