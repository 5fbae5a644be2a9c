"""``make test-repeat``: the tests again and again on a busy machine, and which of them failed.

    python -m tests.repeat TIMES [ARGUMENTS OF PYTEST]

Two loops that do nothing compete for the processors, at the same priority as the tests. They end
with this process, however it ends. What a run that is not green has printed is kept in ``.repeat``.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from tests.run import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LOGS = ROOT / ".repeat"
LOOPS = 2
#: It looks after its parent, so that it does not outlive one that was killed.
LOOP = """
import os
parent = os.getppid()
print(flush=True)
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+(?: \S+\])?)", re.MULTILINE)


class Outcome(NamedTuple):
    """One run of the tests."""

    code: int
    seconds: float
    failed: list[str]
    last_line: str


@contextmanager
def busy(loops: int = LOOPS) -> Iterator[list[int]]:
    """Keep so many processors busy; their process ids."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(loops):
            command = [sys.executable, "-c", LOOP]
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE))
            stdout = processes[-1].stdout
            assert stdout is not None
            stdout.readline()
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            with process:  # it closes the pipe and waits
                process.kill()


def run_once(command: Sequence[str], log: Path) -> Outcome:
    """Run ``command`` to its end; ``log`` is kept where it failed."""
    start = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    seconds = time.monotonic() - start
    if done.returncode:
        log.parent.mkdir(exist_ok=True, parents=True)
        log.write_text(done.stdout)
    lines = done.stdout.strip().splitlines() or [""]
    return Outcome(done.returncode, seconds, _FAILED.findall(done.stdout), lines[-1])


def report(outcomes: Sequence[Outcome]) -> str:
    """How many were green, and which tests failed how often."""
    green = sum(not outcome.code for outcome in outcomes)
    failed = Counter(test for outcome in outcomes for test in outcome.failed)
    lines = [f"  {times} x {test}" for test, times in failed.most_common()]
    return "\n".join([f"test-repeat: {green} of {len(outcomes)} runs are green", *lines])


def repeat(command: Sequence[str], times: int) -> int:
    """Run ``command`` so often, tell of each run, and in the end of all; 0 when all are green."""
    outcomes: list[Outcome] = []
    with busy():
        for number in range(1, times + 1):
            log = LOGS / f"run-{number}.log"
            log.unlink(missing_ok=True)
            outcomes.append(outcome := run_once(command, log))
            where = f"; see {log.relative_to(ROOT)}" if outcome.code else ""
            print(f"run {number}: {outcome.last_line} ({outcome.seconds:.0f} s){where}", flush=True)
    print(report(outcomes))
    return int(any(outcome.code for outcome in outcomes))


def end(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def main() -> int:
    signal.signal(signal.SIGTERM, end)
    times, *arguments = sys.argv[1:]
    return repeat([sys.executable, "-m", "tests.run", *arguments], int(times))


if __name__ == "__main__":
    sys.exit(main())
