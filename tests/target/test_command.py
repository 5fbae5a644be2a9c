"""What the command line answers, and what it does not need for that."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.target import (
    COMMAND,
    PASSWORD,
    ROW_CONTENT,
    environment,
    event,
    pages,
    schema,
    state,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.target import Target
    from tools.servers.nats import NatsServer


def run(arguments: Sequence[str], **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        env=environment() | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("option", ["--about", "--help", "--version"])
def test_questions_are_answered_without_loading_a_client(option: str) -> None:
    script = f"""
import sys
from target_nats_jetstream.__main__ import main
sys.argv[1:] = [{option!r}]
try:
    main()
except SystemExit as ended:
    print("ended with", ended.code, [m for m in ("nats", "sqlalchemy") if m in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.splitlines()[-1] == "ended with 0 []"
    assert len(done.stdout.splitlines()) > 1
    assert done.stderr == ""


def test_about_names_every_setting_and_marks_the_secrets() -> None:
    about = json.loads(run(["--about", "--format", "json"]).stdout)
    properties = about["settings"]["properties"]
    for name in ("servers", "stream", "subject", "checkpoint_seconds", "mariadb_host"):
        assert properties[name]["description"]
    secret = {name for name, entry in properties.items() if entry.get("secret")}
    assert {"password", "creds", "mariadb_password", "ledger_url"} <= secret
    assert properties["load_method"]["default"] == "append-only"


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["--config", "none.json"], "none.json"),
        (["--config", "broken.json"], "config"),
        (["--config", "list.json"], "config"),
        (["--no-such-option"], "No such option"),
        (["--repare"], "Did you mean '--repair'? See --help"),
        (["--input", "none.singer"], "none.singer"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(
    arguments: list[str], cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text(f'{{"password": "{PASSWORD}", }}')
    (tmp_path / "list.json").write_text(f'["{PASSWORD}"]')
    done = run(arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert cause in line
    assert "ERROR" in line
    assert PASSWORD not in line


def test_a_number_that_is_left_empty_has_its_default(target: Target) -> None:
    run = target.run(*pages(1, 10, 10), checkpoint_seconds="", max_outage=None)
    assert run.code == 0, run.log


def test_settings_come_from_the_environment_too(target: Target, tmp_path: Path) -> None:
    path = tmp_path / "in.singer"
    path.write_text(text_of(pages(1, 20, 10)))
    prefix = "TARGET_NATS_JETSTREAM_"
    env = {f"{prefix}{name.upper()}": value for name, value in target.config.items()}
    done = run(["--config", "ENV", "--input", str(path)], **env, **{f"{prefix}BATCH_SIZE": "7"})
    assert done.returncode == 0, done.stderr
    assert target.ids() == list(range(1, 21))
    assert done.stdout.splitlines()[-1] == json.dumps(state(20)["value"])


@pytest.mark.parametrize(
    ("name", "value"), [("batch_size", "many"), ("tls_first", "perhaps"), ("max_outage", "nan")]
)
def test_a_wrong_value_in_the_environment_is_one_line_without_it(name: str, value: str) -> None:
    done = run(["--config", "ENV"], **{f"TARGET_NATS_JETSTREAM_{name.upper()}": value})
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if "ERROR" in line]
    assert f"setting `{name}` is n" in line
    assert value not in line


@pytest.mark.parametrize("name", ["program_name", "ledger_table", "servers", "stream"])
def test_nothing_is_written_under_a_name_that_was_left_empty(target: Target, name: str) -> None:
    run = target.run(*pages(1, 10, 10), **{name: ""})
    assert run.code == 2
    assert f"setting `{name}` is empty" in run.error
    assert not (target.home / "ledger.db").exists()


def test_at_debug_a_failure_tells_where_and_still_shows_no_row_and_no_secret(
    target: Target,
) -> None:
    running = target.start_on_file(schema(), event(1), state(1), "oops", log_level="DEBUG")
    assert running.killed_or_ended() == 5
    assert "where it happened: " in running.log
    assert "reader.py" in running.log
    assert PASSWORD not in running.log
    assert ROW_CONTENT not in running.log


def test_what_is_printed_for_administrators_needs_no_server(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps(
            {
                "servers": "nats://nowhere:1",
                "on_error": "dead_letter",
                "stream_config": {"max_age": "1h"},
                "mariadb_host": "nowhere",
                "mariadb_database": "d`b",
                "mariadb_user": "o'k",
                "mariadb_password": PASSWORD,
                "ledger_create_table": False,
            }
        )
    )
    options = "--print-ddl", "--print-grants", "--print-nats-permissions"
    ddl, grants, permissions = (run(["--config", str(config), option]) for option in options)
    assert PASSWORD not in ddl.stdout + grants.stdout + permissions.stdout
    assert ddl.stdout.startswith("CREATE TABLE `ETL_PRMREC` (\n  `PROGRAM_NAME` VARCHAR(255)")
    assert "\n) ENGINE=InnoDB CHARSET=utf8mb4;\n" in ddl.stdout
    assert "nats stream add TXLOG_STREAM --config TXLOG_STREAM.json" in ddl.stdout
    assert "nats stream add TXLOG_STREAM_DLQ --config TXLOG_STREAM_DLQ.json" in ddl.stdout
    assert '"max_age": 3600000000000' in ddl.stdout
    assert grants.stdout == "GRANT SELECT, INSERT, UPDATE ON `d``b`.`ETL_PRMREC` TO 'o''k'@'%';\n"
    assert permissions.stdout.startswith("permissions {\n")


def test_a_test_message_is_stored_and_named(tmp_path: Path, nats_server: NatsServer) -> None:
    config = tmp_path / "config.json"
    settings = {"servers": nats_server.url, "stream": "S", "subject": "s.{KIND}"}
    config.write_text(json.dumps(settings))
    nats_server.add_stream("S", ["s.>"])
    options = ["--config", str(config), "--test-message"]
    assert run(options).stdout == "stored as message 1 of stream S, under s._.test\n"
    told = json.loads(run([*options, "--json"]).stdout)
    assert (told["ok"], told["sequence"], told["subject"]) == (True, 2, "s._.test")
    nats_server.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.*"]})
    refused = run(options)
    assert refused.returncode == 2
    assert "no stream captures subject s._.test" in refused.stderr


def test_an_sqlite_ledger_has_no_users_to_grant_to(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"ledger_url": "sqlite:///ledger.db"}')
    done = run(["--config", str(config), "--print-grants"])
    assert done.returncode == 2
    assert "an SQLite file, which has no users" in done.stderr
    ddl = run(["--config", str(config), "--print-ddl"])
    statement, _, _ = ddl.stdout.partition(";\n")
    assert statement.startswith('CREATE TABLE "ETL_PRMREC" (\n')
    assert statement.endswith("\n)")
