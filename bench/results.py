"""Where figures go: ``bench/results/`` always, ``docs/`` only when they are to be published.

``docs/bench.json`` has one member a benchmark, each with the machine that it was measured on.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import machine

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]
BENCH_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
RESULTS = ROOT / "bench" / "results"
PUBLISHED = ROOT / "docs" / "bench.json"
PICTURES = {"side_by_side": "bench.png", "latency": "latency.png"}


def begin() -> dict[str, Any]:
    """The machine as it is before a benchmark loads it; told, and kept with the figures."""
    facts = machine.describe()
    print(", ".join(f"{name} {value}" for name, value in facts.items()), flush=True)
    return facts


def keep(name: str, result: Mapping[str, Any]) -> None:
    """Write the result and, where SAVE is set, publish it with its picture."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(_text(result))
    if not os.environ.get("SAVE"):
        return
    sections = json.loads(PUBLISHED.read_text()) if PUBLISHED.exists() else {}
    PUBLISHED.write_text(_text({**sections, name: result}))
    if picture := PICTURES.get(name):
        chart = [str(BENCH_PYTHON), str(Path(__file__).with_name("chart.py")), name]
        subprocess.run([*chart, str(path), str(PUBLISHED.with_name(picture))], check=True)


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
