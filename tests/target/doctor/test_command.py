"""``--doctor`` as people and scripts see it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.target import COMMAND, PASSWORD, environment

if TYPE_CHECKING:
    from pathlib import Path

    from tools.servers.nats import NatsServer

NOWHERE = "nats://127.0.0.1:1"


def ask(home: Path, *arguments: str, **config: object) -> subprocess.CompletedProcess[str]:
    (home / "config.json").write_text(json.dumps(config))
    return subprocess.run(
        [COMMAND, "--config", "config.json", "--doctor", *arguments],
        cwd=home,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_report_is_text_or_one_object_and_warnings_count_only_when_strict(
    tmp_path: Path, shared_nats: NatsServer
) -> None:
    config: dict[str, object] = {"servers": shared_nats.url, "stream": "DOCTOR"}
    config["subject"] = "doctor.events"
    config |= {"stream_config": {"max_msg_size": 2000}, "ledger_url": "sqlite:///ledger.db"}
    config["create_stream"] = "if_missing"
    shown = ask(tmp_path, **config)
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("Connection  [OK]    login         nobody in particular at nats://")
    at = next(number for number, line in enumerate(lines) if "[WARN]" in line)
    assert lines[at + 1 : at + 3] == [
        "                    -> Raise it, unless all rows are small",
        "                       nats stream edit DOCTOR --max-msg-size=1MiB",
    ]
    assert lines[-1] == "10 passed, 1 warning, 0 failed"
    assert ask(tmp_path, "--strict", **config).returncode == 1
    answer = json.loads(ask(tmp_path, "--json", **config).stdout)
    assert list(answer) == ["command", "ok", "summary", "result", "error"]
    assert (answer["command"], answer["ok"], answer["error"]) == ("doctor", True, None)
    (named,) = [one for one in answer["result"]["checks"] if one["status"] != "ok"]
    assert named["fix"] == "nats stream edit DOCTOR --max-msg-size=1MiB"
    assert {*named} == {"group", "check", "status", "text", "remedy", "fix", "exit_code"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json"]


def test_with_both_servers_away_each_is_named_and_no_secret_is(tmp_path: Path) -> None:
    config: dict[str, object] = {
        "user": "etl",
        "password": PASSWORD,
        "mariadb_user": "etl",
        "mariadb_port": 1,
    }
    config |= {"mariadb_host": "127.0.0.1", "mariadb_database": "d", "mariadb_password": PASSWORD}
    done = ask(tmp_path, "--json", servers=NOWHERE, **config)
    assert (done.returncode, done.stderr) == (4, "")
    checks = json.loads(done.stdout)["result"]["checks"]
    assert [(one["group"], one["check"], one["status"]) for one in checks] == [
        ("Connection", "login", "failed"),
        ("Ledger", "login", "failed"),
    ]
    assert PASSWORD not in done.stdout


@pytest.mark.parametrize(
    "config", [{"strem": "S"}, {"batch_size": "many"}, {"tls_cert": "none.pem"}]
)
def test_what_keeps_the_doctor_from_asking_at_all_is_in_the_object_too(
    tmp_path: Path, config: dict[str, object]
) -> None:
    done = ask(tmp_path, "--json", **config)
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["ok"], answer["result"]) == (2, False, None)
    assert answer["error"] in done.stderr
