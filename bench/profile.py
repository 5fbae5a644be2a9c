"""Where the time of a process goes: samples of its stacks by py-spy, told by stage and function.

A stage is a module of the two packages: a sample belongs to the innermost of their frames on its
stack, so that what a stage has a library do counts as its own. Idle threads are not sampled.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.processes import run_pipeline
from bench.results import BENCH_PYTHON
from bench.side_by_side import fresh_server

if TYPE_CHECKING:
    from bench.contenders import Contender
    from bench.processes import Command

RATE = 200
STAGES, FUNCTIONS = 14, 14
PACKAGES = re.compile(r"\((?:tap_oracle_txlog|target_nats_jetstream)/([\w/]+)\.py:\d+\)")
#: py-spy talks on stdout; the command has to have the pipe for itself.
APART = 'exec 3>&1 1>&2; exec "$0" "$@"'
ON_THREE = 'exec "$0" "$@" >&3 3>&-'


def profile(contender: Contender, table: Path) -> str:
    """Run the contender once, slowed down by the sampling, and tell what its processes did."""
    with tempfile.TemporaryDirectory(prefix="profile-") as folder:
        home = Path(folder)
        with fresh_server(home, table) as place:
            commands = contender.prepare(place)
            watched = [_sampled(command, home / f"{command.role}.raw") for command in commands]
            run_pipeline(watched, output=home / "out", log=home / "log", seconds=3600)
        told = [
            tell(f"{contender.name}: {command.role}", (home / f"{command.role}.raw").read_text())
            for command in commands
        ]
    return "\n".join(told)


def _sampled(command: Command, raw: Path) -> Command:
    spy = [str(BENCH_PYTHON.with_name("py-spy")), "record", "--threads", "--format", "raw"]
    options = ["--rate", str(RATE), "--output", str(raw)]
    argv = ["sh", "-c", APART, *spy, *options, "--", "sh", "-c", ON_THREE, *command.argv]
    return replace(command, argv=argv)


def tell(title: str, raw: str) -> str:
    """Shares of a process's samples; ``raw`` has a line for each stack: frames, then a count."""
    stages, functions = Counter[str](), Counter[str]()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        thread = thread.partition(": ")[2] or "MainThread"  # it has no name while Python starts
        stage = next((found[1] for f in reversed(frames) if (found := PACKAGES.search(f))), "other")
        if "importlib" in stack:
            stage = "start-up (imports)"
        stages[f"{stage}, {thread}"] += int(count)
        innermost = frames[-1] if frames else "no Python frame"
        functions[re.sub(r":\d+\)$", ")", innermost)] += int(count)
    total = stages.total()
    lines = [f"\nprofile of {title}: {total / RATE:.1f} s of work sampled"]
    for heading, counts, most in (("stage", stages, STAGES), ("function", functions, FUNCTIONS)):
        lines.append(f"  {'share':>6}  {heading}")
        lines += [f"  {n / total:6.1%}  {name}" for name, n in counts.most_common(most)]
    return "\n".join(lines)
