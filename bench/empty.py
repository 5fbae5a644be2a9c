"""What a run costs that finds nothing new: the tap, the target, and ``meltano run`` of both.

    python -m bench.empty [--rounds R]

What Meltano itself costs is ``meltano run`` of two shell scripts with the same capabilities, which
answer at once and do nothing; the difference is what the pair adds. Meltano looks up each setting
that a plugin has, which takes time of its own: so the scripts also run with the pair's
settings. All wall time, in turns.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import yaml

from bench import results
from bench.contenders import by_meltano, piped, tap_command, target_command
from bench.processes import run_pipeline
from bench.side_by_side import fresh_server
from bench.table import fill

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.contenders import Place
    from bench.processes import Command, Usage

ROWS, SECONDS = 1_000, 300
SCRIPTS = "meltano run of two scripts"
WITH_SETTINGS = "the same with the pair's settings"
PAIR = "meltano run of the pair"
TAP = """#!/bin/sh
case "$*" in *--discover*) echo '{"streams": []}' ;; *) echo '{"type":"STATE","value":{}}' ;; esac
"""
TARGET = "#!/bin/sh\nexec cat\n"


@dataclass(frozen=True)
class Figure:
    """Seconds of wall time, and of CPU of all processes; medians."""

    command: str
    seconds: float
    lowest: float
    highest: float
    cpu: float


def measure(rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home = Path(folder)
        fill(home / "events.db", ROWS)
        with fresh_server(home, home / "events.db") as place:
            ready = prepare(place)
            usages: dict[str, list[Usage]] = {name: [] for name in ready}
            for _ in range(rounds):
                for name, (command, stdin) in ready.items():
                    usages[name].append(run(place, [command], Path(os.devnull), stdin))
    return [figure(name, found) for name, found in usages.items()]


def prepare(place: Place) -> Mapping[str, tuple[Command, Path | None]]:
    """Load the table once in each way; the commands that come after it, and what they read."""
    (meltano,) = by_meltano(place)
    scripts = of_scripts(place, meltano, settings=False)
    with_settings = of_scripts(place, meltano, settings=True)
    for command in (meltano, scripts, with_settings):
        run(place, [command], Path(os.devnull))
    run(place, piped(place), place.home / "states")
    state = place.home / "state.json"
    state.write_text((place.home / "states").read_text().splitlines()[-1])
    tap = tap_command(place)
    tap = replace(tap, argv=[*tap.argv, "--state", str(state)])
    messages = place.home / "messages"
    run(place, [tap], messages)
    assert b'"RECORD"' not in messages.read_bytes()
    return {
        "tap": (tap, None),
        "target": (target_command(place), messages),
        SCRIPTS: (scripts, None),
        WITH_SETTINGS: (with_settings, None),
        PAIR: (meltano, None),
    }


def of_scripts(place: Place, like: Command, *, settings: bool) -> Command:
    """``meltano run`` of two scripts in the place of the pair, with its settings or with none."""
    assert like.folder is not None
    home = place.home / ("scripts-with-settings" if settings else "scripts")
    home.mkdir()
    project = yaml.safe_load((like.folder / "meltano.yml").read_text())
    plugins = project["plugins"]
    for plugin, text in ((plugins["extractors"][0], TAP), (plugins["loaders"][0], TARGET)):
        script = home / plugin["name"]
        script.write_text(text)
        script.chmod(0o755)
        plugin["executable"] = str(script)
        if not settings:
            for member in ("settings", "settings_group_validation", "config"):
                plugin.pop(member, None)
    (home / "meltano.yml").write_text(yaml.safe_dump(project))
    return replace(like, folder=home)


def run(
    place: Place, commands: Sequence[Command], output: Path, stdin: Path | None = None
) -> Usage:
    log = place.home / "log"
    return run_pipeline(commands, output=output, log=log, seconds=SECONDS, stdin=stdin)


def figure(name: str, usages: Sequence[Usage]) -> Figure:
    seconds = [usage.seconds for usage in usages]
    cpu = median(sum(use.cpu for use in usage.by_role.values()) for usage in usages)
    return Figure(name, median(seconds), min(seconds), max(seconds), cpu)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.empty", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    facts = results.begin()
    figures = measure(rounds)
    print(f"\nnothing new, {rounds} rounds{'':13} {'wall s':>7} {'low-high':>12} {'CPU s':>6}")
    for one in figures:
        spread = f"{one.lowest:.2f}-{one.highest:.2f}"
        print(f"{one.command:33} {one.seconds:7.2f} {spread:>12} {one.cpu:6.2f}")
    seconds = {one.command: one.seconds for one in figures}
    added = {base: seconds[PAIR] - seconds[base] for base in (SCRIPTS, WITH_SETTINGS)}
    for base, difference in added.items():
        print(f"the pair adds {difference:.2f} s to {base}")
    result = {"machine": facts, "figures": [asdict(one) for one in figures], "added": added}
    results.keep("empty", result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
