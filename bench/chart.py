"""Pictures of results: ``python chart.py side_by_side|latency RESULT.json PICTURE.png``.

Run by the interpreter of ``.venv-bench``, which has matplotlib and nothing of this project.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

INK, MUTED, GRID = "#1f2933", "#616e7c", "#e4e7eb"
OURS, OTHERS, INVALID = "#1769aa", "#9fb3c8", "#ffffff"
LIMIT = "#c2410c"
STYLE = {
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def side_by_side(result: dict[str, Any], picture: str) -> None:
    """One bar a contender; those with a wrong stream are hatched and say what was wrong."""
    bars = [one for one in result["summary"] if one["rate"]][::-1]
    floor = next(one["ratio"] for one in bars if one["contender"] == "V7 loop")
    figure, axes = plt.subplots(figsize=(9, 0.62 * len(bars) + 1.7), layout="constrained")
    axes.axvspan(floor[1], floor[2], color=GRID, zorder=0)
    for place, one in enumerate(bars):
        middle, low, high = one["ratio"]
        valid = not one["verdict"]
        ours = one["contender"].startswith("pair")
        color = OURS if ours else OTHERS
        face = color if valid else INVALID
        hatch = None if valid else "////"
        axes.barh(place, middle, 0.62, color=face, edgecolor=color, hatch=hatch, zorder=2)
        axes.plot([low, high], [place, place], color=INK, linewidth=1.2, zorder=3)
        text = f"{middle:.2f} x   {one['rate'] / 1000:,.0f} k rows/s"
        told = text if valid else f"{text}\n{one['verdict']}"
        axes.annotate(
            told,
            (max(middle, high), place),
            (8, 0),
            textcoords="offset points",
            va="center",
            color=INK if valid else LIMIT,
            fontsize=10,
            annotation_clip=False,
        )
    axes.set_yticks(range(len(bars)), [one["contender"] for one in bars])
    axes.set_xlim(0, max(one["ratio"][2] for one in bars) * 1.5)
    axes.tick_params(length=0)
    axes.xaxis.grid(visible=True, color=GRID, zorder=0)
    axes.set_axisbelow(True)
    axes.set_title(
        f"From table to stream, {result['rows']:,} rows: rate as a multiple of the V7 loop",
        loc="left",
        fontsize=12,
    )
    axes.set_xlabel(f"median, lowest and highest run; band: V7 against itself\n{about(result)}")
    figure.savefig(picture, dpi=160, facecolor="white")


def latency(result: dict[str, Any], picture: str) -> None:
    """How many messages were in the stream how long after the commit of their row."""
    times = result["milliseconds"]
    figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
    shares = [100 * (number + 1) / len(times) for number in range(len(times))]
    axes.step(times, shares, where="post", color=OURS, linewidth=2, zorder=3)
    for name, share in (("p50", 50), ("p99", 99)):
        limit, found = result["limits"][name], result[name]
        axes.plot([limit, limit], [0, share], color=LIMIT, linewidth=1.2, linestyle="--", zorder=2)
        axes.plot([limit], [share], marker="o", color=LIMIT, zorder=4)
        axes.plot([found], [share], marker="o", color=OURS, zorder=4)
        axes.annotate(
            f"{name} {found:.0f} ms, limit {limit:.0f} ms",
            (limit, share),
            (8, -14),
            textcoords="offset points",
            fontsize=10,
        )
    axes.set_xlim(0, max(times[-1], result["limits"]["p99"]) * 1.35)
    axes.set_ylim(0, 103)
    axes.grid(visible=True, color=GRID)
    axes.tick_params(length=0)
    axes.set_ylabel("% of the rows")
    axes.set_title(
        f"From commit to stream, polling each {result['poll_seconds']:g} s, "
        f"{len(times):,} rows committed at random moments",
        loc="left",
        fontsize=12,
    )
    axes.set_xlabel(f"ms\n{about(result)}")
    figure.savefig(picture, dpi=160, facecolor="white")


def about(result: dict[str, Any]) -> str:
    facts = result["machine"]
    return (
        f"{facts['cores']} cores, {facts['cpu']}, Python {facts['python']}, "
        f"nats-server {facts['nats-server']}, load at start {facts['load']}, {facts['date']}"
    )


def main(chart: str, result: str, picture: str) -> None:
    draw = {"side_by_side": side_by_side, "latency": latency}[chart]
    with plt.rc_context(STYLE):
        draw(json.loads(Path(result).read_text()), picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
