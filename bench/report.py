"""From single runs to one line a contender: ratios to V7 in the same round, and their medians.

Only a contender whose runs were all exact gets a rank; of any other the rate is shown, marked.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from bench.contenders import V7
from bench.side_by_side import SERVER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.side_by_side import Run

COLUMNS = "{:18} {:>8} {:>6} {:>10} {:>6} {:>6} {:>6} {:>6} {:>6} {:>7} {:>11}  {}"
HEAD = (
    *("", "rows/s", "x V7", "low-high", "cpu s", "cpu x"),
    *("tap", "target", "rest", "server", "peak MB", "truth"),
)


@dataclass(frozen=True)
class Summary:
    """All runs of one contender.

    Attributes:
        ratio: Rate divided by that of V7 in the same round; median, lowest, highest. Zeros where
            V7 itself failed.
        cpu: CPU seconds for 100,000 rows by role, medians.
        megabytes: Peaks by role, the highest of all runs.
        verdict: The first thing that was wrong, empty where every run was exact.
    """

    contender: str
    rate: float
    ratio: tuple[float, float, float]
    cpu: dict[str, float]
    megabytes: dict[str, float]
    verdict: str

    @property
    def client_cpu(self) -> float:
        return sum(seconds for role, seconds in self.cpu.items() if role != SERVER)


def summarize(runs: Sequence[Run], rows: int) -> list[Summary]:
    """One summary a contender, the fastest exact ones first, then what does not count."""
    loops = [run for run in runs if run.contender == V7 and run.truth is not None]
    base = {
        number: mean(rows / loop.seconds for loop in loops if loop.round == number)
        for number in {loop.round for loop in loops}
    }
    names = dict.fromkeys(run.contender for run in runs)
    found = [_summary([r for r in runs if r.contender == name], base, rows) for name in names]
    return sorted(found, key=lambda s: (bool(s.verdict), -s.ratio[0]))


def _summary(runs: Sequence[Run], base: Mapping[int, float], rows: int) -> Summary:
    name, verdict = runs[0].contender, next((r.verdict for r in runs if r.verdict), "")
    done = [run for run in runs if run.truth is not None]
    if not done:
        return Summary(name, 0, (0, 0, 0), {}, {}, verdict)
    rates = [rows / run.seconds for run in done]
    beside = [run for run in done if run.round in base]
    ratios = [rows / run.seconds / base[run.round] for run in beside] or [0.0]
    cpu = {role: median(r.cpu[role] for r in done) / rows * 100_000 for role in done[0].cpu}
    peaks = {role: max(r.megabytes[role] for r in done) for role in done[0].cpu}
    spread = (median(ratios), min(ratios), max(ratios))
    return Summary(name, median(rates), spread, cpu, peaks, verdict)


def table(summaries: Sequence[Summary]) -> str:
    """The lines that people read; CPU is in seconds for 100,000 rows, ``cpu x`` relative to V7."""
    loop = next((one.client_cpu for one in summaries if one.contender == V7), 0)
    lines = [COLUMNS.format(*HEAD)]
    for one in summaries:
        if not one.rate:
            lines.append(f"{one.contender:18} {one.verdict}")
            continue
        middle, low, high = one.ratio
        known = ("tap", "target", SERVER)
        tap, target, server = (one.cpu.get(role, 0) for role in known)
        rest = sum(seconds for role, seconds in one.cpu.items() if role not in known)
        peaks = "+".join(f"{one.megabytes[role]:.0f}" for role in one.cpu if role != SERVER)
        cells = (
            f"{one.rate:,.0f}",
            f"{middle:.2f}",
            f"{low:.2f}-{high:.2f}",
            f"{one.client_cpu:.2f}",
            f"{loop / one.client_cpu:.2f}",
            f"{tap:.2f}",
            f"{target:.2f}",
            f"{rest:.2f}",
            f"{server:.2f}",
            peaks,
        )
        lines.append(COLUMNS.format(one.contender, *cells, one.verdict or "each once, in order"))
    return "\n".join(lines)


def as_json(machine: Mapping[str, Any], rows: int, runs: Sequence[Run]) -> dict[str, Any]:
    summaries = [asdict(summary) for summary in summarize(runs, rows)]
    singles = [run.as_json() for run in runs]
    return {"machine": dict(machine), "rows": rows, "summary": summaries, "runs": singles}
