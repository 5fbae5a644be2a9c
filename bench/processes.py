"""Run commands as a pipeline and count, by role, what they and their children use.

CPU and memory are the kernel's own counts in /proc. A process that was started here is read once
more when it has ended and before it is reaped, so that nothing is missed; its children, which
others reap, are looked at twenty times a second.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TICKS = os.sysconf("SC_CLK_TCK")
LOOK_MILLISECONDS = 50


class RunFailedError(Exception):
    """A command did not end well; the text is the first error logged, else the last line."""


@dataclass(frozen=True)
class Command:
    """One process of a pipeline.

    Attributes:
        role: What its CPU is counted as.
        roles: Roles of its children, each by a word of their command line; others count as it.
    """

    role: str
    argv: Sequence[str]
    roles: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] | None = None
    folder: Path | None = None


@dataclass
class Use:
    """What the processes of one role have used: CPU seconds, and MB at their peaks."""

    cpu: float = 0
    megabytes: float = 0


@dataclass(frozen=True)
class Usage:
    """Seconds from the start of the first process to the end of the last, and use by role."""

    seconds: float
    by_role: dict[str, Use]


@dataclass
class _Seen:
    """A process as it was last seen."""

    role: str
    command: Command
    cpu: float = 0
    kilobytes: int = 0


def run_pipeline(
    commands: Sequence[Command],
    *,
    output: Path,
    log: Path,
    seconds: float,
    stdin: Path | None = None,
) -> Usage:
    """Run ``commands``, each reading from the one before, to the end of all.

    Args:
        output: Where the last one writes.
        log: Where all of them log.
        seconds: After these they are killed.
        stdin: What the first one reads.

    Raises:
        RunFailedError: One has failed, or the time was not enough.
    """
    begin = time.perf_counter()
    processes = start_pipeline(commands, output=output, log=log, stdin=stdin)
    watch = _Watch({p.pid: c for p, c in zip(processes, commands, strict=True)})
    try:
        watch.until_ended(begin + seconds)
        took = time.perf_counter() - begin
        usage = Usage(took, watch.by_role())
    finally:
        end(processes)
    codes = [process.returncode for process in processes]
    if any(codes):
        cause = f"not done after {seconds:.0f} s; " if watch.running else ""
        raise RunFailedError(cause + _cause(log))
    return usage


def start_pipeline(
    commands: Sequence[Command], *, output: Path, log: Path, stdin: Path | None = None
) -> list[subprocess.Popen[bytes]]:
    """Start ``commands``, each reading from the one before; see ``run_pipeline``."""
    processes: list[subprocess.Popen[bytes]] = []
    with (
        Path(stdin or os.devnull).open("rb") as first,
        output.open("wb") as last,
        log.open("wb") as err,
    ):
        given = first.fileno()
        for command in commands:
            is_last = command is commands[-1]
            processes.append(
                subprocess.Popen(
                    command.argv,
                    stdin=given,
                    stdout=last if is_last else subprocess.PIPE,
                    stderr=err,
                    env=command.env,
                    cwd=command.folder,
                    start_new_session=True,
                )
            )
            if given != first.fileno():
                os.close(given)
            if pipe := processes[-1].stdout:
                given = os.dup(pipe.fileno())
                pipe.close()
    return processes


def end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Leave nothing behind of a pipeline, children included."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class _Watch:
    def __init__(self, commands: Mapping[int, Command]) -> None:
        self.running = set(commands)
        self._roots = dict(commands)
        self._seen = {pid: _Seen(c.role, c) for pid, c in commands.items()}
        self._whole: dict[int, float] = {}

    def until_ended(self, deadline: float) -> None:
        files = {os.pidfd_open(pid): pid for pid in self.running}
        poll = select.poll()
        for file in files:
            poll.register(file, select.POLLIN)
        while self.running and time.perf_counter() < deadline:
            for file, _ in poll.poll(LOOK_MILLISECONDS):
                poll.unregister(file)
                pid = files[file]
                self._whole[pid] = _cpu(pid, with_children=True)
                self.running.discard(pid)
            self._look(self.running)
        for file in files:
            os.close(file)

    def _look(self, pids: Iterable[int]) -> None:
        for pid in list(pids):
            with suppress(OSError):  # it may end at any moment
                self._update(pid)
                self._look(self._children(pid))

    def _children(self, pid: int) -> list[int]:
        threads = Path(f"/proc/{pid}/task").iterdir()
        children = [int(c) for t in threads for c in (t / "children").read_text().split()]
        for child in children:
            parent = self._seen[pid]
            seen = self._seen.setdefault(child, _Seen(parent.role, parent.command))
            if seen.role == parent.role and parent.command.roles:
                line = Path(f"/proc/{child}/cmdline").read_bytes().decode()
                roles = parent.command.roles.items()
                seen.role = next((r for word, r in roles if word in line), seen.role)
        return children

    def _update(self, pid: int) -> None:
        status = Path(f"/proc/{pid}/status").read_text()
        seen = self._seen[pid]
        seen.cpu = _cpu(pid)
        if "VmHWM:" in status:
            seen.kilobytes = int(status.partition("VmHWM:")[2].split()[0])

    def by_role(self) -> dict[str, Use]:
        """What the kernel counted for a tree and no child was seen to use is its root's."""
        uses: dict[str, Use] = defaultdict(Use)
        for pid, seen in self._seen.items():
            uses[seen.role].megabytes = max(uses[seen.role].megabytes, seen.kilobytes / 1024)
            if pid not in self._roots:
                uses[seen.role].cpu += seen.cpu
                uses[seen.command.role].cpu -= seen.cpu
        for pid, command in self._roots.items():
            uses[command.role].cpu += self._whole.get(pid, self._seen[pid].cpu)
        return dict(uses)


def cpu_of(pids: Iterable[int]) -> float:
    """CPU seconds of these running processes so far."""
    return sum(map(_cpu, pids))


def peak_megabytes(pid: int) -> float:
    """The most memory that this running process had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _cpu(pid: int, *, with_children: bool = False) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11 : 15 if with_children else 13])) / TICKS


def _cause(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line]
    cause = (errors[:1] or lines[-1:] or ["it has said nothing"])[0]
    return cause.rpartition("| ")[2].strip()[-300:]
