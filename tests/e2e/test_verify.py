"""``--verify`` beside a writer and a pair that is killed: a short ``make soak-verify``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.soak_verify import main

if TYPE_CHECKING:
    import pytest


def test_comparisons_beside_writers_and_kills_find_nothing_but_what_is_removed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["--runs", "20"])
    told = capsys.readouterr().out
    assert code == 0, told
    assert "false findings=0, removed message found by records and digests" in told
