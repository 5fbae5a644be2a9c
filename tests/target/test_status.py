"""``--status`` says what the ledger and the stream say, and its exit code is a health check."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.target import (
    COMMAND,
    ROW_CONTENT,
    environment,
    event,
    pages,
    record,
    schema,
    state,
)
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.target import Target


def ask(target: Target, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Ask without the time that a start takes; those that watch are started as people do."""
    assert target.forks is not None
    (target.home / "status.json").write_text(json.dumps({**target.config, **settings}))
    options = ["--config", "status.json", *arguments]
    paths = target.home / "said", target.home / "errors"
    with paths[0].open("wb") as said, paths[1].open("wb") as errors, open(os.devnull) as none:  # noqa: PTH123
        fds = (none.fileno(), said.fileno(), errors.fileno())
        process = target.forks.start(options, target.home, environment(), *fds)
    try:
        code = process.wait(300)
    finally:
        process.kill()
    return subprocess.CompletedProcess(options, code, *(path.read_text() for path in paths))


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


#: A server that nobody runs.
AWAY = {"servers": "nats://127.0.0.1:1", "connect_timeout": 1}
NOT_THERE = "cannot reach NATS at nats://127.0.0.1:1"


def test_without_nats_the_ledger_and_the_file_of_dead_letters_are_shown(target: Target) -> None:
    assert target.run(*pages(1, 10, 10)).code == 0
    (target.home / "letters").write_text("{}\n")
    settings = {**AWAY, "dead_letter_file": "letters"}
    said = ask(target, "--status", **settings)
    assert (said.returncode, said.stderr) == (1, "")
    assert "SUCCESS" in said.stdout
    assert f"{target.stream}: unknown; 1 dead letter in `dead_letter_file`" in said.stdout
    assert said.stdout.count("\n! ") == said.stdout.count(f"! {NOT_THERE}") == 1

    found = json.loads(ask(target, "--status", "--json", **settings).stdout)
    assert (found["ok"], len(found["problems"])) == (False, 1)
    assert found["pipelines"][0]["records_processed"] == 10
    assert found["stream"]["messages"] is None
    assert found["stream"]["dead_letters_in_file"] == 1


def test_without_the_ledger_the_stream_is_shown(target: Target) -> None:
    assert target.run(*pages(1, 10, 10)).code == 0
    away = {"ledger_url": "mysql://u:secret-word@127.0.0.1:1/etl"}
    said = ask(target, "--status", **away)
    assert (said.returncode, said.stderr) == (1, "")
    assert said.stdout.startswith(f"{target.stream}: 10 messages")
    assert "! cannot read ETL_PRMREC at 127.0.0.1:1/etl" in said.stdout
    assert "secret-word" not in said.stdout

    found = json.loads(ask(target, "--status", "--json", **away).stdout)
    assert (found["pipelines"], found["stream"]["messages"]) == (None, 10)


def test_without_both_the_exit_code_says_so(target: Target) -> None:
    away = {**AWAY, "ledger_url": "mysql://u:p@127.0.0.1:1/etl"}
    said = ask(target, "--status", "--json", **away)
    assert said.returncode == 4
    found = json.loads(said.stdout)
    assert (found["ok"], len(found["problems"])) == (False, 2)


def test_a_setting_that_is_wrong_is_told_beside_what_is_known(target: Target) -> None:
    assert target.run(*pages(1, 10, 10)).code == 0
    said = ask(target, "--status", ledger_url="")
    assert (said.returncode, said.stderr) == (2, "")
    assert "! there is no ledger: neither mariadb_host nor ledger_url is set" in said.stdout
    assert "10 messages" in said.stdout

    said = ask(target, "--status", dead_letter_file=".")
    assert said.returncode == 2
    assert "SUCCESS" in said.stdout


@pytest.mark.parametrize(
    ("settings", "arguments"),
    [
        ({}, ("--max-age", "soon")),
        ({"batch_size": "ten"}, ()),
        ({"batch_sizes": 10}, ()),
        ({}, ("--no-such-option",)),
        ({}, ("--config", "not-there.json")),
    ],
)
def test_a_failure_before_anything_is_asked_is_told_in_the_form_that_is_asked_for(
    settings: dict[str, Any], arguments: tuple[str, ...], target: Target
) -> None:
    said = ask(target, "--status", "--json", *arguments, **settings)
    (line,) = said.stderr.splitlines()
    assert (said.returncode, "ERROR" in line) == (2, True)
    found = json.loads(said.stdout)
    assert list(found) == ["command", "ok", "problems"]
    assert (found["command"], found["ok"], len(found["problems"])) == ("status", False, 1)
    assert line.endswith(found["problems"][0])

    said = ask(target, "--status", "--nagios", *arguments, **settings)
    assert said.returncode == 3
    assert said.stdout == f"UNKNOWN - {found['problems'][0]}\n"


def test_several_pipelines_are_added_up(target: Target) -> None:
    for name, first, last in (("M_A", 1, 10), ("M_B", 11, 40), ("N", 41, 47)):
        assert target.run(*pages(first, last, 10), program_name=name).code == 0
    said = ask(target, "--status", "--program", "M%")
    assert said.returncode == 0, said.stdout
    assert "2 pipelines (2 SUCCESS): 40 rows; slowest M_A, complete up to 2026-01-01" in said.stdout
    assert "\nN " not in said.stdout

    found = json.loads(ask(target, "--status", "--json", "--program", "M%").stdout)
    assert [row["program_name"] for row in found["pipelines"]] == ["M_A", "M_B"]
    assert (found["sum"]["records_processed"], found["sum"]["slowest"]) == (40, "M_A")

    said = ask(target, "--status", "--program", "X%")
    assert said.returncode == 1
    assert "! no pipeline in the ledger has a name like X%" in said.stdout


def test_the_newest_runs_are_shown_where_a_history_is_kept(target: Target) -> None:
    target.config["run_history"] = True
    bad = {"type": "RECORD", "stream": "EVENTS", "record": {"ID": "seven", "AT": None}}
    assert target.run(schema(), event(1), bad, state(1), on_error="dead_letter").code == 0
    assert target.run(schema(), event(2), state(2), "oops").code == 5
    killed = target.start()
    killed.feed(*pages(3, 12, 10))
    killed.until_states(1)

    def results() -> list[tuple[str, int | None, int | None]]:
        runs = json.loads(ask(target, "--status", "--json").stdout)["runs"]
        return [(run["status"], run["records_processed"], run["dead_letters"]) for run in runs]

    assert results() == [("RUNNING", None, None), ("FAILED", 1, 0), ("SUCCESS", 1, 1)]
    killed.signal(signal.SIGKILL)
    killed.killed_or_ended()
    assert results()[0] == ("DEAD", None, None)
    said = ask(target, "--status").stdout
    assert "run of    began" in said
    assert re.search(r"FAILED +1 +0 +line 4", said), said
    assert ROW_CONTENT not in said


def test_a_monitoring_plugin_prints_one_line(target: Target) -> None:
    assert target.run(*pages(1, 30, 10)).code == 0
    said = ask(target, "--status", "--nagios", "--max-age", "1h")
    assert said.returncode == 0, said.stdout
    (line,) = said.stdout.splitlines()
    assert line.startswith("OK - PIPELINE SUCCESS, complete up to 2026-01-01 00:00:00, 30 rows | ")
    assert ";;3600 " in line
    assert "rows=30c messages=30 dead_letters=0;0;;0" in line

    assert ask(target, "--status", "--nagios", "--max-age", "0s").returncode == 2
    said = ask(target, "--status", "--nagios", **AWAY)
    assert said.returncode == 2
    assert said.stdout.startswith(f"CRITICAL - {NOT_THERE}")
    assert ask(target, "--status", "--nagios", "--json").returncode == 3


def test_watching_goes_on_through_an_outage_until_a_signal(lone_target: Target) -> None:
    target = lone_target
    assert target.run(*pages(1, 10, 10)).code == 0
    (target.home / "status.json").write_text(json.dumps(target.config | {"connect_timeout": 1}))
    shown = target.home / "shown"
    with shown.open("w") as out:
        process = subprocess.Popen(
            [COMMAND, "--config", "status.json", "--status", "--watch", "0.1"],
            cwd=target.home,
            env=environment(),
            stdout=out,
        )
    try:
        wait_until(lambda: shown.read_text().count(": 10 messages") > 1, what="it looks twice")
        target.server.kill()
        wait_until(lambda: ": unknown" in shown.read_text(), what="it sees the outage")
        before = shown.read_text().count(": 10 messages")
        target.server.start()
        wait_until(lambda: shown.read_text().count(": 10 messages") > before, what="it is back")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait(60)
    assert "\x1b" not in shown.read_text(), "a file is no terminal"
    for block in shown.read_text().split("\n\n20")[1:]:
        assert block.splitlines()[0].endswith("+00:00")


def test_watching_ends_with_its_reader(target: Target) -> None:
    (target.home / "status.json").write_text(json.dumps(target.config))
    with subprocess.Popen(
        [COMMAND, "--config", "status.json", "--status", "--watch", "0.1", "--json"],
        cwd=target.home,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["command"] == "status"
        process.stdout.close()
        assert process.wait(60) == 128 + signal.SIGPIPE
        assert process.stderr.read() == b""


def test_watching_on_a_terminal_shows_the_last_look_only(target: Target) -> None:
    (target.home / "status.json").write_text(json.dumps(target.config))
    screen, terminal = os.openpty()
    with subprocess.Popen(
        [COMMAND, "--config", "status.json", "--status", "--watch"],
        cwd=target.home,
        env=environment(),
        stdout=terminal,
    ) as process:
        try:
            assert os.read(screen, 4) == b"\x1b[2J", "it begins with an empty screen"
        finally:
            process.kill()
    os.close(screen)
    os.close(terminal)


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
