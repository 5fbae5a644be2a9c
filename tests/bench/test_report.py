"""A rate ranks only where every message was right, and only beside the V7 loop of its own round."""

from __future__ import annotations

import pytest

from bench.contenders import V7
from bench.report import summarize, table
from bench.side_by_side import Run
from bench.truth import Truth

ROWS = 1000
EXACT = Truth(ROWS, ROWS, lost=0, repeated=0, disordered=0, unknown=0)


def run(name: str, number: int, seconds: float, truth: Truth | None = EXACT) -> Run:
    cpu = {"tap": seconds, "nats-server": 1.0}
    return Run(name, number, "" if truth else "failed: why", 0, seconds, cpu, cpu, truth)


@pytest.mark.parametrize("mistake", ["lost", "repeated", "disordered", "unknown"])
def test_a_single_wrong_message_in_one_round_takes_the_rank_away(mistake: str) -> None:
    wrong = Truth(**{**vars(EXACT), mistake: 1})
    fast = [run("fast", 1, 1), run("fast", 2, 1, wrong)]
    runs = [run(V7, 1, 4), run(V7, 2, 4), *fast, run("slow", 1, 8), run("none", 1, 0, None)]
    found = summarize(runs, ROWS)
    assert [one.contender for one in found] == [V7, "slow", "fast", "none"]
    assert found[2].verdict == f"invalid: 1 {mistake}"
    lines = table(found).splitlines()
    assert lines[3].endswith(f"invalid: 1 {mistake}")
    assert lines[4].endswith("failed: why")


def test_a_slow_round_changes_no_ratio() -> None:
    runs = [run(V7, 1, 4), run("pair", 1, 2), run(V7, 2, 40), run("pair", 2, 20), run(V7, 2, 40)]
    by_name = {one.contender: one for one in summarize(runs, ROWS)}
    assert by_name["pair"].ratio == pytest.approx((2, 2, 2))
    assert by_name[V7].ratio == pytest.approx((1, 1, 1))


def test_rates_are_told_even_where_the_loop_itself_has_failed() -> None:
    (pair, loop) = summarize([run(V7, 1, 0, None), run("pair", 1, 2)], ROWS)
    assert (pair.rate, pair.ratio) == (500, (0, 0, 0))
    assert loop.verdict == "failed: why"
