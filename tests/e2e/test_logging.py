"""The log files of deploy/logging: each holds what its name says, and goes on after a rotation."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from demo.events import add_events, create_table
from tests.support.pair import BIN
from tests.support.target import pages, text_of
from tools.meltano_run import PAIR, RUN, MeltanoProject
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.servers.nats import NatsServer

RECIPES = Path(__file__).parents[2] / "deploy" / "logging"
FILES = {"main", "source", "queue", "errors", "performance"}


def lines(home: Path, name: str) -> list[str]:
    return (home / "logs" / f"{name}.log").read_text().splitlines()


def numbers(home: Path, text: str) -> list[dict[str, Any]]:
    """The lines of performance.log that begin with ``text``."""
    found = map(json.loads, lines(home, "performance"))
    return [line for line in found if line.get("event", line.get("message")).startswith(text)]


def command(home: Path, name: str, config: Mapping[str, object], **more: Any) -> Any:  # noqa: ANN401 - as Popen takes them
    """One of the two commands, with the five files below ``home``."""
    (home / f"{name}.json").write_text(json.dumps(config))
    env = os.environ | {
        "SINGER_SDK_LOG_CONFIG": str(RECIPES / "five-files.yml"),
        "PYTHONPATH": str(RECIPES),
    }
    return subprocess.Popen([BIN / name, "--config", f"{name}.json"], cwd=home, env=env, **more)


def loggers(home: Path, name: str) -> set[str]:
    return {line.split("|")[2].strip() for line in lines(home, name)}


def test_five_files_of_the_two_commands(tmp_path: Path, nats_server: NatsServer) -> None:
    (tmp_path / "logs").mkdir()
    engine = create_table(tmp_path / "events.db")
    add_events(engine, first_id=1, count=200)
    engine.dispose()
    source = {"sqlalchemy_url": f"sqlite:///{tmp_path}/events.db", "table": "TXLOG_EVENTS"}
    target = {"servers": nats_server.url, "create_stream": "if_missing"}
    for table, codes in (("TXLOG_EVENTS", (0, 0)), ("NOSUCH", (2, 5))):
        with (
            command(tmp_path, PAIR[0], source | {"table": table}, stdout=subprocess.PIPE) as tap,
            command(tmp_path, PAIR[1], target, stdin=tap.stdout, stdout=subprocess.DEVNULL) as load,
        ):
            assert (tap.wait(300), load.wait(300)) == codes

    assert {path.stem for path in (tmp_path / "logs").iterdir()} == FILES
    main = lines(tmp_path, "main")
    metrics = [line for line in main if "METRIC" in line]
    assert sorted([*lines(tmp_path, "source"), *lines(tmp_path, "queue"), *metrics]) == sorted(main)
    assert all(name.startswith("tap_oracle_txlog") for name in loggers(tmp_path, "source"))
    assert all(name.startswith("target_nats_jetstream") for name in loggers(tmp_path, "queue"))
    assert lines(tmp_path, "errors") == [line for line in main if "| ERROR " in line]
    assert len(lines(tmp_path, "errors")) == 2
    (read, published) = numbers(tmp_path, "done:")
    assert read["extra"]["rows"] == published["extra"]["published"] == 200
    assert numbers(tmp_path, "METRIC")
    assert not numbers(tmp_path, "cannot find the table")


def test_a_file_that_was_moved_away_is_opened_again(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    """As logrotate does it, while a target is at work."""
    logs = tmp_path / "logs"
    logs.mkdir()
    config = {"servers": nats_server.url, "create_stream": "if_missing"}
    with command(
        tmp_path, PAIR[1], config, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as target:
        begun = text_of(pages(1, 10, 10)).encode()
        target.stdin.write(begun)
        target.stdin.flush()
        wait_until(
            lambda: (
                (logs / "main.log").exists() and "stream EVENTS" in "".join(lines(tmp_path, "main"))
            ),
            what="it has read the first line",
        )
        for path in logs.iterdir():
            path.rename(path.with_suffix(".log.1"))
        target.stdin.write(text_of(pages(11, 20, 10)).encode())
        target.stdin.close()
        assert target.wait(300) == 0

    assert numbers(tmp_path, "done:")[0]["extra"]["published"] == 20
    assert "done:" in lines(tmp_path, "main")[-1]
    assert "done:" not in (logs / "main.log.1").read_text()


@pytest.mark.parametrize("name", PAIR)
def test_a_folder_that_is_missing_is_one_line(tmp_path: Path, name: str) -> None:
    with command(tmp_path, name, {}, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        told = process.stderr.read().decode()
        assert process.wait(300) == 2
    (line,) = told.splitlines()
    assert "SINGER_SDK_LOG_CONFIG" in line
    assert "No such file or directory" in line


@pytest.mark.timeout(1800)
def test_five_files_of_meltano_and_the_numbers_as_fields(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    engine = create_table(tmp_path / "events.db")
    add_events(engine, first_id=1, count=200)
    engine.dispose()
    home = tmp_path / "project"
    (home / "logs").mkdir(parents=True)
    source = {"sqlalchemy_url": f"sqlite:///{tmp_path}/events.db", "table": "TXLOG_EVENTS"}
    target = {"servers": nats_server.url, "create_stream": "if_missing"}
    project = MeltanoProject(home, dict(zip(PAIR, (source, target), strict=True)))
    project.env["PYTHONPATH"] = str(RECIPES)
    run = (f"--log-config={RECIPES / 'logging.yaml'}", *RUN, *PAIR)
    done = project.command(*run)
    assert done.returncode == 0, done.stderr[-6000:]
    assert "published=200" in done.stderr, "the console has it, too"
    project.env["TARGET_NATS_JETSTREAM_BATCH_SIZE"] = "ten"
    assert project.command(*run).returncode == 1

    assert {path.stem for path in (home / "logs").iterdir()} == FILES
    main = {line.partition(" ")[2] for line in lines(home, "main")}  # each file has its own clock
    for name in ("source", "queue", "errors"):
        assert {line.partition(" ")[2] for line in lines(home, name)} < main, name
    assert all("tap-oracle-txlog" in line for line in lines(home, "source"))
    assert all("target-nats-jetstream" in line for line in lines(home, "queue"))
    assert [line for line in lines(home, "errors") if "setting `batch_size` is not a" in line]
    assert not [line for line in lines(home, "errors") if "published=200" in line]
    done_by = {line["name"]: line for line in reversed(numbers(home, "done:"))}
    assert [done_by[name]["level"] for name in PAIR] == ["info", "info"]
    assert done_by[PAIR[0]]["rows"] == done_by[PAIR[1]]["published"] == 200
    assert type(done_by[PAIR[1]]["seconds"]) is float
    assert numbers(home, "METRIC")[0]["metric_info"]["metric"]
