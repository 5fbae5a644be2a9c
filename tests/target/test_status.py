"""``--status`` says what the ledger and the stream say, and its exit code is a health check."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from target_nats_jetstream.ledger.row import LedgerRow
from target_nats_jetstream.publisher.inspection import StreamState
from target_nats_jetstream.status import Status, counted
from tests.support.target import COMMAND, environment, event, pages, record, schema, state
from tests.target.ledger.places import at

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
        timeout=300,
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
    assert "has made no progress since" in json.loads(said.stdout)["problems"][0]


def test_a_pipeline_that_never_ran_is_not_well(target: Target) -> None:
    said = ask(target, "--status")
    assert said.returncode == 1
    assert "never run" in said.stdout


def test_a_run_at_work_is_running_and_a_killed_one_is_dead(target: Target) -> None:
    assert target.run(*pages(1, 10, 10), "oops").code == 5
    running = target.start()
    running.feed(*pages(11, 20, 10))
    running.until_states(1)
    at_work = ask(target, "--status")
    assert at_work.returncode == 0, at_work.stdout
    assert "RUNNING" in at_work.stdout
    assert "line 13" not in at_work.stdout, "the error is that of the run before"

    running.signal(signal.SIGKILL)
    running.killed_or_ended()
    dead = ask(target, "--status")
    assert dead.returncode == 1
    assert "DEAD" in dead.stdout
    assert "! the run of PIPELINE that started at " in dead.stdout
    found = json.loads(ask(target, "--status", "--json").stdout)
    assert (found["pipelines"][0]["status"], found["ok"]) == ("DEAD", False)

    assert target.run(*pages(21, 30, 10)).code == 0
    assert ask(target, "--status").returncode == 0


def test_a_stream_that_is_not_there_is_told(target: Target) -> None:
    assert target.run(*pages(1, 10, 10)).code == 0
    said = ask(target, "--status", stream="NOSUCH")
    assert said.returncode == 1
    assert "NOSUCH: missing; 0 dead letters" in said.stdout
    assert "! stream NOSUCH does not exist" in said.stdout


def test_dead_letters_are_counted_wherever_they_are(target: Target) -> None:
    bad = {"type": "RECORD", "stream": "EVENTS", "record": {"ID": "seven", "AT": None}}
    assert target.run(schema(), event(1), bad, state(1), on_error="dead_letter").code == 0
    (target.home / "letters").write_text("{}\n{}\n")
    said = ask(target, "--status", dead_letter_file="letters")
    assert "1 message, the last at" in said.stdout
    assert "1 dead letter, 2 more in `dead_letter_file`" in said.stdout
    found = json.loads(ask(target, "--status", "--json", dead_letter_file="letters").stdout)
    assert found["stream"]["dead_letters_in_file"] == 2


def row(name: str, status: str = "RUNNING", began_at: str = "2026-01-02T03:04:05") -> LedgerRow:
    columns = {"PROGRAM_NAME": name, "STATUS": status, "LAST_RUN_TIME": at(began_at)}
    return LedgerRow.from_columns(columns | {"ERROR_MESSAGE": "the error of the run before"})


STREAM = StreamState("S", True, 1204, at("2026-01-02T03:04:05"), 0, 0)
NOW = datetime(2026, 1, 2, 4, tzinfo=UTC)


def test_the_rows_of_a_dead_run_are_dead_and_are_one_problem() -> None:
    rows = [row("P"), row("P:A"), row("P:B", "SUCCESS"), row("P:C", began_at="2026-01-01")]
    status = Status(rows, is_running=False, stream=STREAM, now=NOW)

    assert [status.result(one) for one in rows] == ["DEAD", "DEAD", "SUCCESS", "RUNNING"]
    assert len(status.problems(None)) == 1
    assert Status(rows, is_running=True, stream=STREAM, now=NOW).problems(None) == []


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 messages"), (1, "1 message"), (2, "2 messages"), (1204, "1,204 messages")],
)
def test_counts_are_written_as_people_write_them(number: int, text: str) -> None:
    assert counted(number, "message") == text


@pytest.mark.parametrize(
    ("settings", "arguments", "code"),
    [
        ({"ledger_url": ""}, ("--status",), 2),
        ({}, ("--status", "--max-age", "soon"), 2),
        ({"dead_letter_file": "."}, ("--status",), 2),
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


def test_a_replay_says_what_became_of_the_dead_letters(target: Target) -> None:
    bad = record(ID="seven", AT=None)
    large = record(ID=8, AT=None, DATA="x" * 1000)
    limit = {"on_error": "dead_letter", "stream_config": {"max_msg_size": 1000}}
    run = target.run(schema(), event(1), bad, large, state(1), **limit)
    assert run.code == 0, run.log
    said = ask(target, "--replay-dead-letters")
    kept = "kept, because the record itself is wrong: 1\n"
    assert (said.returncode, said.stdout) == (5, f"0 dead letters published\n{kept}")
    assert "1 dead letter still cannot be published" in said.stderr.splitlines()[-1]
    config = target.server.stream_info(target.stream)["config"] | {"max_msg_size": -1}
    target.server.api(f"STREAM.UPDATE.{target.stream}", config)
    said = ask(target, "--replay-dead-letters")
    assert (said.returncode, said.stdout) == (0, f"1 dead letter published\n{kept}"), said.stderr
    assert target.ids() == [1, 8]


def test_a_replay_ends_at_a_signal(target: Target) -> None:
    """Of a server that never answers, and long before any time-out."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        servers = f"nats://127.0.0.1:{silent.getsockname()[1]}"
        (target.home / "config.json").write_text(
            json.dumps({**target.config, "servers": servers, "connect_timeout": 600})
        )
        command = [str(COMMAND), "--config", "config.json", "--replay-dead-letters"]
        with subprocess.Popen(command, cwd=target.home, env=environment()) as process:
            silent.accept()[0].close()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == -signal.SIGTERM
