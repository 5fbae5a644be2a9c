"""Memory grows neither with the number of rows nor with their size.

``MEMORY_ROWS=1000000 pytest -s tests/integration/test_memory.py`` reads more than the usual run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools.oracle_stand_in.events import event, numbered, txlog_events
from tools.oracle_stand_in.server import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.oracle_stand_in.database import Row

FEW, MANY = 10_000, int(os.environ.get("MEMORY_ROWS", "200000"))
COMMAND = Path(sys.executable).with_name("tap-oracle-txlog")
KILOBYTES = 1024 if sys.platform == "darwin" else 1
MEGABYTES_MORE = 20
MEGABYTES_WITH_LARGE_ROWS = 150

# In a small process of its own: a child starts with the peak of the one that it was forked from.
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak_megabytes(rows: int, folder: Path, row: Callable[[int], Row] = numbered) -> float:
    """The most memory that the tap has at any time while it reads so many rows."""
    with StandIn() as oracle:
        oracle.database.create(txlog_events()).generate(rows, row)
        (folder / "config.json").write_text(json.dumps(oracle.login))
        command = [
            sys.executable,
            "-c",
            MEASURE,
            str(COMMAND),
            "--config",
            str(folder / "config.json"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    assert f"done: read={rows}" in done.stderr
    return int(done.stdout) / KILOBYTES / 1024


def test_many_rows_need_no_more_memory_than_few(tmp_path: Path) -> None:
    few, many = (peak_megabytes(rows, tmp_path) for rows in (FEW, MANY))
    print(f"{FEW:,} rows: {few:.0f} MB, {MANY:,} rows: {many:.0f} MB")
    assert many - few < MEGABYTES_MORE


def test_a_page_of_large_rows_is_bounded_as_well(tmp_path: Path) -> None:
    """They are 500 MB together: the whole of them would be one page by their number."""
    text = json.dumps({"text": "x" * 100_000})

    def large(id_: int) -> Row:
        return event(id_, numbered(id_)[-1], text)

    peak = peak_megabytes(5_000, tmp_path, large)
    print(f"5,000 rows of 100 kB: {peak:.0f} MB")
    assert peak < MEGABYTES_WITH_LARGE_ROWS
