"""What ``make audit`` makes of a report of pip-audit."""

from __future__ import annotations

from typing import Any

import pytest

from tools.audit import verdict

KNOWN: dict[str, Any] = {"name": "a", "version": "1", "vulns": []}
VULNERABLE: dict[str, Any] = {
    "name": "b",
    "version": "2",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}, {"id": "GHSA-2", "fix_versions": []}],
}
SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([KNOWN], 0, ["x.lock: nothing is known against any of 1 packages"]),
        ([KNOWN, SKIPPED], 4, ["x.lock: 1 of 2 packages could not be looked up"]),
        (
            [KNOWN, SKIPPED, VULNERABLE],
            1,
            ["b 2: PYSEC-1, fixed in 3", "b 2: GHSA-2, fixed in no version yet"],
        ),
    ],
)
def test_what_could_not_be_looked_up_is_no_success(
    packages: list[dict[str, Any]], code: int, words: list[str]
) -> None:
    found = verdict("x.lock", {"dependencies": packages})
    assert found.code == code
    assert [line[: len(start)] for line, start in zip(found.lines, words, strict=True)] == words
