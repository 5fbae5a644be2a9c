"""The alerts: they go by metrics that there are, and each fault of a real run fires its own."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from target_nats_jetstream.metrics.instruments import INSTRUMENTS
from tests.deploy.promtool import RULES, first_column, promtool, rules
from tests.support.forking import ForkServer
from tests.support.target import Target, record, schema
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.servers.nats import NatsServer

NAMES = {one.name: {"pipeline", *one.labels} for one in INSTRUMENTS}
BEHIND, NO_CHECKPOINT, FAILED, LETTERS, LATE = (
    f"Txlog{name}"
    for name in ("Behind", "NoCheckpoint", "RunFailed", "DeadLetters", "LatenessNearWindow")
)


def test_the_rules_pass_the_check_and_their_own_tests() -> None:
    checked = promtool("check", "rules", RULES)
    assert checked.returncode == 0, checked.stderr
    played = promtool("test", "rules", RULES.with_suffix(".test.yml"))
    assert played.returncode == 0, played.stderr + played.stdout


def test_each_rule_goes_by_metrics_that_there_are_and_says_what_to_do() -> None:
    alerts = [rule["alert"] for rule in rules()]
    assert set(alerts) == {BEHIND, NO_CHECKPOINT, FAILED, LETTERS, LATE}
    assert first_column("`Txlog") == alerts
    for rule in rules():
        names = set(re.findall(r"\btxlog_\w+", rule["expr"] + str(rule["annotations"])))
        assert names <= NAMES.keys()
        assert rule["annotations"].keys() == {"summary", "description"}
        labels = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        of_expression = set(re.findall(r"\btxlog_\w+", rule["expr"]))
        assert all(labels <= NAMES[name] for name in of_expression)
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_the_page_has_every_metric() -> None:
    assert sorted(first_column("`txlog_")) == sorted(NAMES)


def test_every_rule_has_a_test_that_fires_it_and_one_that_does_not() -> None:
    tests = yaml.safe_load(RULES.with_suffix(".test.yml").read_text())["tests"]
    seen = {
        (case["alertname"], bool(case["exp_alerts"]))
        for test in tests
        for case in test["alert_rule_test"]
    }
    assert seen == {(rule["alert"], fires) for rule in rules() for fires in (True, False)}


# The metrics of real runs


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    server = ForkServer("target_nats_jetstream.__main__", "target_nats_jetstream.delivery")
    yield server
    server.close()


@pytest.fixture
def target(tmp_path: Path, shared_nats: NatsServer, forks: ForkServer) -> Iterator[Target]:
    config = {"metrics_file": str(tmp_path / "txlog.prom"), "on_error": "dead_letter"}
    one = Target(tmp_path, shared_nats, forks, config=config)
    yield one
    one.close()


def ago(seconds: float) -> str:
    at = datetime.fromtimestamp(time.time() - seconds, UTC).replace(tzinfo=None)
    return f"{at.isoformat(timespec='microseconds')}000"


def state(complete: float, late: dict[str, int] | None = None) -> dict[str, Any]:
    """One of our tap, whose newest pass has just been."""
    now = ago(0)
    clocks = {"clock": now, "watermark": ago(302), "utc": now, "held_by": "clock", "window": 302}
    mark = {"replication_key_value": ago(complete), "last_pass": clocks}
    mark |= {"came_late": late} if late else {}
    return {"type": "STATE", "value": {"bookmarks": {"EVENTS": mark}}}


def fired(target: Target, minutes: int) -> set[str]:
    """The alerts after so many minutes in which the metrics stay what they are now."""
    now, series = time.time(), []
    text = (target.home / "txlog.prom").read_text()
    for family in text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            at = value - now if "timestamp" in name else value  # promtool's clock begins at 0
            pairs = ",".join(f'{key}="{text}"' for key, text in labels.items())
            series.append({"series": f"{name}{{{pairs}}}", "values": f"{at:f}x{minutes}"})
    found = set()
    for rule in rules():
        case = {"eval_time": f"{minutes}m", "alertname": rule["alert"], "exp_alerts": []}
        test = {"interval": "1m", "input_series": series, "alert_rule_test": [case]}
        played = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}
        (target.home / "played.yml").write_text(yaml.safe_dump(played))
        done = promtool("test", "rules", target.home / "played.yml")
        if done.returncode:
            assert f"alertname: {rule['alert']}" in done.stdout + done.stderr
            found.add(rule["alert"])
    return found


def event(number: int, data: object = None) -> dict[str, Any]:
    return record(ID=number, AT=f"{ago(1)}Z", DATA=data)


def test_a_run_that_is_well_fires_nothing_until_the_next_one_is_overdue(target: Target) -> None:
    assert target.run(schema(), event(1), state(302)).code == 0
    assert fired(target, 8) == set()
    assert fired(target, 14) == {BEHIND}


def test_a_failed_run_is_told(target: Target) -> None:
    assert target.run(schema(), event(1), state(302), "oops").code == 5
    assert fired(target, 8) == {FAILED}


def test_a_killed_run_is_told(target: Target) -> None:
    running = target.start()
    running.feed(schema(), event(1), state(302))
    wait_until((target.home / "txlog.prom").exists, what="the metrics of the first checkpoint")
    running.close()
    assert fired(target, 4) == set()
    assert fired(target, 8) == {NO_CHECKPOINT}


def test_dead_letters_are_told(target: Target) -> None:
    assert target.run(schema(), event(1, data=17), state(302)).code == 0
    assert fired(target, 1) == {LETTERS}


@pytest.mark.parametrize(("margin", "alerts"), [(61, set()), (60, {LATE})])
def test_lateness_near_the_window_is_told(target: Target, margin: int, alerts: set[str]) -> None:
    late = {"rows": 3, "seconds": 3_600, "margin": margin}
    assert target.run(schema(), state(302), event(1), state(302, late)).code == 0
    assert fired(target, 1) == alerts
