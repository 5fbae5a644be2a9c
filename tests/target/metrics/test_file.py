"""``metrics_file`` says what the stream says, is never half there, and ends no run."""

from __future__ import annotations

import json
import os
import signal
import stat
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.target import event, moment, pages, record, schema, state
from tests.target.metrics.reading import samples
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.target import Target

PUBLISHED, CHECKPOINT = "txlog_messages_published_total", "txlog_checkpoint_timestamp_seconds"


@pytest.fixture
def file(target: Target) -> Path:
    path = target.home / "txlog.prom"
    target.config["metrics_file"] = str(path)
    return path


def test_the_numbers_are_those_of_the_stream(target: Target, file: Path) -> None:
    begun = time.time()
    misfit = record(ID=9_999, AT=None, DATA=17)
    run = target.run(*pages(1, 40, 10), misfit, state(40), on_error="dead_letter")
    assert run.code == 0
    found = samples(file.read_text())
    assert begun <= found.pop(CHECKPOINT) <= time.time()
    assert found.pop("txlog_complete_up_to_timestamp_seconds") == pytest.approx(
        1767225600.04, abs=1e-4
    )
    assert moment(40) == "2026-01-01T00:00:00.040000+00:00"
    assert {name: number for name, number in found.items() if number} == {
        PUBLISHED: target.server.messages(target.stream),
        "txlog_dead_letters_total{invalid}": target.server.messages(f"{target.stream}_DLQ"),
        "txlog_run_success": 1,
    }
    assert found["txlog_dead_letters_total{too_large}"] == found["txlog_outages_total"] == 0


def test_what_was_there_before_is_known_and_not_published(target: Target, file: Path) -> None:
    assert target.run(*pages(1, 30, 10)).code == 0
    assert target.run(*pages(1, 31, 10)).code == 0
    found = samples(file.read_text())
    known = [found[f"txlog_messages_known_total{{{by}}}"] for by in ("server", "tail")]
    assert (found[PUBLISHED], sum(known)) == (1, 30)


def test_it_is_there_from_the_first_checkpoint_on_and_says_when_a_run_has_failed(
    target: Target, file: Path
) -> None:
    running = target.start()
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    wait_until(file.exists)
    assert samples(file.read_text())[PUBLISHED] == 1
    assert "txlog_run_success" not in file.read_text()
    running.feed(event(2), "oops")
    running.end_input()
    assert running.end().code == 5
    found = samples(file.read_text())
    assert (found["txlog_run_success"], found[PUBLISHED]) == (0, 2)
    assert CHECKPOINT in found


def test_a_run_that_is_stopped_has_not_succeeded(target: Target, file: Path) -> None:
    running = target.start()
    running.feed(*pages(1, 10, 10))
    running.until_states(1)
    running.signal(signal.SIGTERM)
    assert running.end().code == 143
    assert samples(file.read_text())["txlog_run_success"] == 0


def test_a_run_that_reaches_nobody_says_so(lone_target: Target, tmp_path: Path) -> None:
    lone_target.server.kill()
    lone_target.config["metrics_file"] = str(tmp_path / "txlog.prom")
    assert lone_target.run(*pages(1, 10, 10), connect_timeout=1).code == 4
    found = samples((tmp_path / "txlog.prom").read_text())
    assert (found["txlog_run_success"], found[PUBLISHED]) == (0, 0)


def test_an_outage_is_counted(lone_target: Target, tmp_path: Path) -> None:
    lone_target.config["metrics_file"] = str(tmp_path / "txlog.prom")
    running = lone_target.start()
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    lone_target.server.restart()
    running.feed(event(2), state(2))
    running.end_input()
    assert running.end().code == 0
    found = samples((tmp_path / "txlog.prom").read_text())
    assert (found["txlog_outages_total"], found[PUBLISHED]) == (1, 2)


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("missing/txlog.prom", "No such file or directory"),
        ("folder", "Is a directory"),
        ("txlog\0.prom", "it is not a path"),
    ],
)
def test_a_file_that_cannot_be_written_is_one_warning(
    target: Target, path: str, cause: str
) -> None:
    (target.home / "folder").mkdir()
    run = target.run(*pages(1, 50, 10), metrics_file=f"{target.home}/{path}", checkpoint_records=10)
    assert run.code == 0
    assert len(run.states) > 1
    (warning,) = (line for line in run.logged("WARNING") if "metrics_file" in line)
    assert warning.endswith(f": {cause}. The run goes on")
    assert sorted(one.name for one in target.home.iterdir() if "prom" in one.name) == []


def test_others_may_read_it_and_nothing_else_is_left(target: Target, file: Path) -> None:
    umask = os.umask(0o022)
    os.umask(umask)
    assert target.run(*pages(1, 50, 10), checkpoint_records=10).code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask
    assert [one.name for one in target.home.iterdir() if "prom" in one.name] == [file.name]


def test_names_in_any_script_are_labels(target: Target, file: Path) -> None:
    name = 'Ü"\\結案'
    assert target.run(*pages(1, 10, 10), program_name=name).code == 0
    assert samples(file.read_text(), name)[PUBLISHED] == 10


def test_what_a_json_log_says_of_it_is_one_object(target: Target, tmp_path: Path) -> None:
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "singer_sdk.logging.StructuredFormatter"}},
        "handlers": {"err": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"level": "INFO", "handlers": ["err"]},
    }
    (tmp_path / "log.json").write_text(json.dumps(config))
    target.env["SINGER_SDK_LOG_CONFIG"] = str(tmp_path / "log.json")
    running = target.start_on_file(*pages(1, 10, 10), metrics_file=str(tmp_path / "no/txlog.prom"))
    assert running.killed_or_ended() == 0
    lines = [json.loads(line) for line in running.log.splitlines()]
    (warning,) = (line for line in lines if line["level"] == "warning")
    assert "metrics_file" in warning["message"]
    (done,) = (line for line in lines if line["message"].startswith("done:"))
    assert done["extra"]["published"] == 10
