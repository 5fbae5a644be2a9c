"""``--status`` says what the ledger and the stream say, and its exit code is a health check."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.target import COMMAND, environment, event, pages, schema, state

if TYPE_CHECKING:
    from tests.support.target import Target


def ask(target: Target, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    (target.home / "status.json").write_text(json.dumps({**target.config, **settings}))
    return subprocess.run(
        [COMMAND, "--config", "status.json", *arguments],
        cwd=target.home,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_pipeline_that_is_well(target: Target) -> None:
    assert target.run(*pages(1, 30, 10)).code == 0
    said = ask(target, "--status", "--max-age", "1h")
    assert said.returncode == 0, said.stderr
    assert "PIPELINE" in said.stdout
    assert "SUCCESS" in said.stdout
    assert f"{target.stream}: 30 messages" in said.stdout

    found = json.loads(ask(target, "--status", "--json").stdout)
    assert (found["ok"], found["problems"]) == (True, [])
    assert found["pipelines"][0]["records_processed"] == 30
    assert found["stream"]["messages"] == 30


def test_a_failed_run_is_told_with_its_cause(target: Target) -> None:
    assert target.run(schema(), event(1), state(1), "oops").code == 5
    said = ask(target, "--status")
    assert said.returncode == 1
    assert "! the last run of PIPELINE failed: line 4" in said.stdout


def test_a_run_that_is_too_long_ago_is_told(target: Target) -> None:
    assert target.run(*pages(1, 10, 10)).code == 0
    said = ask(target, "--status", "--json", "--max-age", "0s")
    assert said.returncode == 1
    assert "has not moved since" in json.loads(said.stdout)["problems"][0]


def test_a_pipeline_that_never_ran_is_not_well(target: Target) -> None:
    said = ask(target, "--status")
    assert said.returncode == 1
    assert "never run" in said.stdout


@pytest.mark.parametrize(
    ("settings", "arguments", "code"),
    [
        ({"ledger_url": ""}, ("--status",), 2),
        ({}, ("--status", "--max-age", "soon"), 2),
        ({"servers": "nats://127.0.0.1:1", "connect_timeout": 1}, ("--status",), 4),
    ],
)
def test_what_cannot_be_asked_is_an_error_line(
    settings: dict[str, Any], arguments: tuple[str, ...], code: int, target: Target
) -> None:
    assert target.run(*pages(1, 10, 10)).code == 0
    said = ask(target, *arguments, **settings)
    assert said.returncode == code, said.stderr
    assert "Traceback" not in said.stderr
    assert "ERROR" in said.stderr.splitlines()[-1]


def test_dead_letters_are_sent_again_when_the_cause_is_mended(target: Target) -> None:
    bad = {"type": "RECORD", "stream": "EVENTS", "record": {"ID": "seven", "AT": None}}
    run = target.run(schema(), event(1), bad, state(1), on_error="dead_letter")
    assert run.code == 0, run.log
    assert "dead_letters=1" in run.log
    assert target.ids() == [1]
    said = ask(target, "--replay-dead-letters")
    assert (said.returncode, said.stdout) == (0, "1 dead letters published\n"), said.stderr
    assert [record["ID"] for record in target.records()] == [1, "seven"]
