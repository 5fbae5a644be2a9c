"""``load_method: upsert``: the stream holds the last record of each key, whatever is killed."""

from __future__ import annotations

import json
import random
import signal
from typing import TYPE_CHECKING, Any

import pytest

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher.jetstream.stored import Stored
from target_nats_jetstream.settings import AllSettings
from tests.support.target import Message as Line
from tests.support.target import event, schema, state
from tests.target.doctor.examined import only, report, stream_for
from tests.target.killing import (
    SETTINGS,
    UNORDERED,
    Tap,
    forgetful,
    until_forgotten,
)
from tests.target.publisher.publishing import BATCHES
from tests.target.publisher.test_intake import worked
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.target import Run, Target
    from tools.servers.nats import NatsServer

each_mode = pytest.mark.parametrize("mode", ["fast", "atomic", "window", "sync"])


def value(key: int, data: str, **more: str | None) -> Line:
    fields = {"ID": key, "AT": None, "DATA": data, **more}
    return {"type": "RECORD", "stream": "EVENTS", "record": fields}


def upsert(target: Target, *lines: Line | str, **settings: object) -> Run:
    run = target.run(*lines, load_method="upsert", **settings)
    assert run.code == 0, run.log
    return run


def held(target: Target) -> dict[str, Any]:
    """What the stream holds, by subject without its beginning; None where it was deleted."""
    found = {}
    for stored in target.stored():
        name = stored.subject.removeprefix(f"{target.stream}.")
        assert name not in found
        is_deleted = stored.headers.get("KV-Operation") == "DEL"
        assert bool(stored.data) != is_deleted
        found[name] = None if is_deleted else json.loads(stored.data)["DATA"]
    return found


@each_mode
@pytest.mark.parametrize("keys", [{}, UNORDERED], ids=["replication key", "without"])
def test_a_value_that_comes_back_is_the_last_one(
    target: Target, mode: str, keys: dict[str, Any]
) -> None:
    lines = [value(1, "A"), value(2, "X"), value(1, "B"), value(1, "A")]
    upsert(target, schema(**keys), *lines, publish_mode=mode)
    assert held(target) == {"EVENTS.1": "A", "EVENTS.2": "X"}
    upsert(target, schema(**keys), value(1, "B"), publish_mode=mode)
    upsert(target, schema(**keys), value(1, "A"), publish_mode=mode)
    assert held(target) == {"EVENTS.1": "A", "EVENTS.2": "X"}


def test_a_row_that_comes_back_with_its_old_replication_value_is_the_last_one(
    target: Target,
) -> None:
    first, second = event(1), event(1)
    second["record"] |= {"AT": "2027-01-01T00:00:00+00:00", "DATA": "B"}
    upsert(target, schema(), first, second, first)
    assert held(target) == {"EVENTS.1": first["record"]["DATA"]}


def test_a_deleted_row_is_an_empty_message_as_in_kv(target: Target) -> None:
    deleted = value(1, "A", _sdc_deleted_at="2026-01-01T00:00:00Z")
    lines = [value(1, "A"), deleted, value(2, "B", _sdc_deleted_at=None)]
    upsert(target, schema(**UNORDERED), *lines)
    assert held(target) == {"EVENTS.1": None, "EVENTS.2": "B"}
    upsert(target, schema(**UNORDERED), value(1, "C"))
    assert held(target) == {"EVENTS.1": "C", "EVENTS.2": "B"}


@each_mode
@pytest.mark.parametrize("forgets", [False, True])
def test_kills_lose_no_last_value(target: Target, mode: str, forgets: bool) -> None:
    """Between kills, the tap repeats what came after its STATE."""
    if forgets:
        forgetful(target, max_msgs_per_subject=1, **BATCHES)
    else:
        subjects = [f"{target.stream}.>"]
        target.server.add_stream(target.stream, subjects, max_msgs_per_subject=1, **BATCHES)
    chance, printed, tap = random.Random(mode), "", Tap(5_000, keys=UNORDERED)
    for until in sorted(chance.sample(range(1, 5_000), 8)):
        states = killed_in_mid_run(target, tap.after(printed, until), mode)
        printed = states[-1] if states else printed
        if forgets:
            until_forgotten(target)
    upsert(target, *tap.after(printed), publish_mode=mode, **SETTINGS)
    assert held(target) == {f"EVENTS.{one['ID']}": one["DATA"] for one in tap.records}


def killed_in_mid_run(target: Target, lines: list[str], mode: str) -> list[str]:
    """Kill a run as soon as it has stored anything; the STATEs that it has printed."""
    first = last_seq(target)
    running = target.start(load_method="upsert", publish_mode=mode, **SETTINGS)
    feeder = running.feed_on(lines)
    wait_until(
        lambda: last_seq(target) > first or running.process.poll() is not None,
        what="something is stored",
    )
    running.process.kill()
    assert running.killed_or_ended() == -signal.SIGKILL, running.log
    feeder.join()
    running.end_input()
    return running.states


def last_seq(target: Target) -> int:
    found: int = target.server.stream_info(target.stream)["state"]["last_seq"]
    return found


def test_what_a_later_message_has_replaced_is_not_sent_behind_it() -> None:
    """Of A, B, A of one key and X of another, B was stored last before the connection was lost."""
    subjects = ["txlog.1", "txlog.1", "txlog.2", "txlog.1"]
    intake = worked([Message(one, f"id-{n}", b"{}") for n, one in enumerate(subjects)])
    intake.mark_in_doubt(4)
    intake.reconcile({"id-1": Stored(2, "id-1", "P", "")}, keeps_last=True)
    assert [intake.outstanding.acked(n) for n in range(2, 4)] == [False, False]
    assert intake.outstanding.floor == 2
    assert intake.counts.published == 2


# What it needs


def test_a_stream_that_keeps_more_is_refused_with_the_command_that_changes_it(
    target: Target,
) -> None:
    target.server.add_stream(target.stream, [f"{target.stream}.>"])
    run = target.run(schema(), event(1), load_method="upsert")
    assert run.code == 2
    assert f"nats stream edit {target.stream} --max-msgs-per-subject=1" in run.error


def test_a_stream_without_a_key_is_refused(target: Target) -> None:
    run = target.run(schema(keys=()), event(1), load_method="upsert")
    assert run.code == 2
    assert "EVENTS has no key properties" in run.error


def test_two_streams_with_one_subject_are_refused(target: Target) -> None:
    lines = schema(), schema("OTHER")
    run = target.run(*lines, load_method="upsert", subject=f"{target.stream}.all")
    assert run.code == 2
    assert "EVENTS and OTHER have one subject" in run.error


@pytest.mark.parametrize(
    ("name", "text"), [("subject", "a.{ID}"), ("message_id", "{ID}"), ("load_method", "overwrite")]
)
def test_settings_that_contradict_it_are_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _ = AllSettings.from_config({"load_method": "upsert", name: text}).target.subject_template
    assert caught.value.setting == name


def test_the_doctor_says_what_the_stream_lacks(shared_nats: NatsServer) -> None:
    config = stream_for(shared_nats, "UPSERT_MANY")
    found = only(
        report(**config, load_method="upsert"),
        "Stream",
        "load method",
        "failed",
        "UPSERT_MANY has max_msgs_per_subject -1",
    )
    assert found.fix == "nats stream edit UPSERT_MANY --max-msgs-per-subject=1"


def test_append_only_keeps_all(target: Target) -> None:
    lines = [value(1, "A"), value(1, "B"), value(1, "A"), state(1)]
    assert target.run(schema(**UNORDERED), *lines, load_method="append-only").code == 0
    assert [one["DATA"] for one in target.records()] == ["A", "B", "A"]
