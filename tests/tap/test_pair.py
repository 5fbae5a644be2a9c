"""Two commands as a pipe: which of them tells the exit code, and what they are given."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tap_oracle_txlog.pair import exit_code

if TYPE_CHECKING:
    from pathlib import Path

#: In a process of its own, as the pair waits for any of its children.
RUN = """
import json, os, sys
from tap_oracle_txlog.pair import Pair
tap, target = (["sh", "-c", script, "sh"] for script in json.loads(sys.argv[1]))
with Pair(os.environ) as pair:
    print(pair.run(tap, target, state=b'{"bookmarks": {}}'))
"""


def run(folder: Path, tap: str, target: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps([tap, target])],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stderr == ""
    return int(done.stdout)


@pytest.mark.parametrize(
    ("tap", "target", "code"),
    [
        ("exit 0", "cat", 0),
        ("exit 4", "cat; exit 5", 4),  # the target has lost its input
        ("kill -9 $$", "cat; exit 5", 137),
        ("exit 0", "cat; exit 3", 3),
        ("exit 6", "cat", 6),
        ("exit 0", "kill -9 $$", 137),
    ],
)
def test_the_exit_code_is_that_of_the_one_that_failed_first(
    tmp_path: Path, tap: str, target: str, code: int
) -> None:
    assert run(tmp_path, tap, target) == code


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("tap", "target", "code"),
    [(0, 0, 0), (3, 0, 3), (0, 3, 3), (1, 3, 3), (141, 4, 4), (1, 137, 137)],
)
def test_a_tap_that_has_lost_its_target_tells_nothing(
    tap: int, target: int, code: int, first: bool
) -> None:
    assert exit_code(tap, target, tap_was_first=first) == code


@pytest.mark.parametrize("tap", [1, 2, 3, 4, 5, 6, 137, 143])
def test_a_target_that_has_lost_its_tap_tells_nothing(tap: int) -> None:
    assert exit_code(tap, 5, tap_was_first=True) == tap


def test_a_tap_whose_target_has_ended_hears_of_it(tmp_path: Path) -> None:
    endless = "trap '' PIPE; while echo more; do :; done 2> told; test -s told && exit 1"
    assert run(tmp_path, endless, "read line; exit 3") == 3


def test_the_state_is_in_no_file_and_all_that_the_target_prints_is_dropped(tmp_path: Path) -> None:
    assert run(tmp_path, 'cat "$2" > state; echo line', "cat > got; echo STATE") == 0
    assert json.loads((tmp_path / "state").read_text()) == {"bookmarks": {}}
    assert (tmp_path / "got").read_text() == "line\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["got", "state"]
