"""One thing is broken on a real nats-server: the doctor names it, its remedy, and nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher.publisher import Publisher
from target_nats_jetstream.publisher.rights import as_server_config, rights
from target_nats_jetstream.settings import AllSettings
from tests.run import DEBIAN_NATS, ROOT
from tests.target.doctor.examined import FIT, PROGRAM, only, report, stream_for, wrong
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from tools.servers.nats import NatsServer

    MakeNats = Callable[..., NatsServer]

LOGIN = {"user": "etl", "password": "pw"}
TRUTH = {"user": "all", "password": "pw"}
LETTERS = {"on_error": "dead_letter", "create_stream": "if_missing"}
NOWHERE = "nats://127.0.0.1:1"


@pytest.fixture
def name() -> str:
    return f"S{secrets.token_hex(4)}"


@pytest.fixture(autouse=True)
def in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the file of dead letters is looked for."""
    monkeypatch.chdir(tmp_path)


def publish(pipeline: str, count: int, **config: object) -> None:
    """Publish messages as a pipeline does."""
    settings = AllSettings.from_config(config).nats
    subject = str(config["subject"])
    publisher = Publisher(settings, [subject], pipeline=pipeline)
    publisher.start()
    batch = [Message(subject, f"{pipeline}{number}", b"{}") for number in range(count)]
    assert publisher.wait(publisher.submit(batch), 60)
    publisher.close(timeout=10)


def test_where_all_is_well_nothing_is_named_and_nothing_is_left_behind(
    shared_nats: NatsServer, name: str
) -> None:
    config = stream_for(shared_nats, name)
    shared_nats.add_stream(f"{name}_DLQ", [f"dlq.{name}.>"])
    publish(PROGRAM, 40, **config)
    streams = name, f"{name}_DLQ"
    before = [shared_nats.stream_info(one) for one in streams]
    heard: list[str] = []

    async def listening(client: Client) -> None:
        async def hear(message: Msg) -> None:
            heard.append(message.subject)

        for subject in (f"{name}.>", f"dlq.{name}.>"):
            await client.subscribe(subject, cb=hear)
        await client.flush()
        found = await asyncio.to_thread(lambda: report(**config, **LETTERS))
        await client.flush()
        assert wrong(found) == {}
        assert found.exit_code(strict=True) == 0

    shared_nats.run(listening)
    assert heard == []
    after = [shared_nats.stream_info(one) for one in streams]
    assert [one["state"] for one in after] == [one["state"] for one in before]
    assert [one["config"] for one in after] == [one["config"] for one in before]


def test_a_server_that_is_away_is_named_and_the_ledger_is_looked_at_all_the_same() -> None:
    found = report(servers=NOWHERE, ledger_url="sqlite:///ledger.db")
    only(found, "Connection", "login", "failed", "cannot reach NATS at nats://127.0.0.1:1")
    assert found.lines[-1].group == "Ledger"
    assert found.exit_code(strict=False) == 4


def test_one_of_several_servers_that_is_away_is_a_warning(
    shared_nats: NatsServer, name: str
) -> None:
    config = stream_for(shared_nats, name)
    found = report(**{**config, "servers": f"{NOWHERE},{shared_nats.url}"})
    only(found, "Connection", "servers", "warning", "127.0.0.1:1: connection refused")


def test_a_refused_login_is_named_without_its_password(make_nats: MakeNats) -> None:
    server = make_nats(config="authorization { user: etl, password: right }")
    found = report(servers=server.url, user="etl", password="wr0ng")
    only(found, "Connection", "login", "failed", "refuses the login of etl")
    assert found.exit_code(strict=False) == 3
    assert "wr0ng" not in json.dumps(found.result)


def test_a_server_without_jetstream_is_named(make_nats: MakeNats) -> None:
    found = report(servers=make_nats(jetstream=None).url)
    only(found, "Connection", "JetStream", "failed", "JetStream does not answer")


# Rights

ALL = {"create_stream": "update", "on_error": "dead_letter", **LOGIN}


def server_for(make_nats: MakeNats, config: dict[str, Any], without: str) -> NatsServer:
    """A server whose user has what is printed for a config, but for one line."""
    block = as_server_config(AllSettings.from_config(config).nats)
    lines = [line for line in block.splitlines() if f'"{without}"' not in line]
    assert len(lines) == len(block.splitlines()) - bool(without)
    if without.startswith("_INBOX"):
        lines.insert(-3, '"nothing"')  # an empty list would allow everything
    permissions = "\n".join(lines)
    users = f"{{ user: etl, password: pw\n{permissions} }}\n{{ user: all, password: pw }}"
    return make_nats(config=f"authorization {{ users: [ {users} ] }}", connect=TRUTH)


def rights_of(config: dict[str, Any]) -> list[str]:
    return [right.subject for right in rights(AllSettings.from_config(config).nats)]


@pytest.mark.parametrize("line", rights_of({**ALL, "stream": "S", "subject": "S.{EVENT_TYPE}"}))
def test_each_right_that_is_missing_is_named(make_nats: MakeNats, line: str) -> None:
    config = {**ALL, "stream": "S", "subject": "S.{EVENT_TYPE}"}
    server = server_for(make_nats, config, line)
    server.add_stream("S", ["S.>"], **FIT)
    found = report(**config, servers=server.url)
    is_for_runs = not line.endswith(("STREAM.INFO.S_DLQ", "MSG.GET.S_DLQ", "MSG.DELETE.S_DLQ"))
    status = "failed" if is_for_runs else "warning"
    finding = only(found, "Privileges", "publish", status, f"NATS refuses publish to {line}")
    assert f"Allow publishing to `{line}`" in finding.remedy
    assert found.exit_code(strict=False) == (3 if is_for_runs else 0)


def test_the_right_to_hear_answers_is_named(make_nats: MakeNats) -> None:
    config = {**ALL, "stream": "S"}
    server = server_for(make_nats, config, "_INBOX.>")
    server.add_stream("S", ["txlog.>"], **FIT)
    found = report(**config, servers=server.url)
    finding = only(found, "Privileges", "answers", "failed", "NATS refuses subscription")
    assert "Allow subscribing to `_INBOX.>`" in finding.remedy


def test_the_rights_that_are_printed_are_enough_in_a_domain_too(make_nats: MakeNats) -> None:
    config = {**ALL, "stream": "S", "domain": "hub"}
    block = as_server_config(AllSettings.from_config(config).nats)
    users = f"{{ user: etl, password: pw\n{block} }}\n{{ user: all, password: pw }}"
    server = make_nats(
        config=f"authorization {{ users: [ {users} ] }}", connect=TRUTH, jetstream="domain: hub"
    )
    server.add_stream("S", ["txlog.>"], **FIT)
    assert wrong(report(**config, servers=server.url)) == {}


# The stream


def test_a_stream_that_is_missing_is_named_and_the_fix_creates_it(
    shared_nats: NatsServer, name: str
) -> None:
    config = {"servers": shared_nats.url, "stream": name, "subject": f"{name}.{{EVENT_TYPE}}"}
    finding = only(report(**config), "Stream", "stream", "failed", f"{name} does not exist")
    words = shlex.split(finding.fix)
    assert words[2:] == [
        ">",
        f"{name}.json",
        "&&",
        *f"nats stream add {name} --config".split(),
        f"{name}.json",
    ]
    created = shared_nats.api(f"STREAM.CREATE.{name}", json.loads(words[1]))
    assert "error" not in created
    assert wrong(report(**config)) == {}


def test_a_stream_that_a_run_creates_is_judged_as_it_will_be(
    shared_nats: NatsServer, name: str
) -> None:
    config = {"servers": shared_nats.url, "stream": name, "subject": f"{name}.events"}
    config["create_stream"] = "if_missing"
    assert wrong(report(**config)) == {}
    only(
        report(**config, stream_config={"max_msg_size": 2000}),
        "Stream",
        "message size",
        "warning",
        "2,000 bytes",
    )
    assert "error" in shared_nats.stream_info(name)


@pytest.mark.parametrize("create", ["off", "if_missing"])
def test_a_subject_that_another_stream_has_is_named(
    shared_nats: NatsServer, name: str, create: str
) -> None:
    other = stream_for(shared_nats, f"{name}_OTHER", subjects=[f"{name}.>"])
    config = {**other, "stream": name, "subject": f"{name}.events", "create_stream": create}
    finding = only(report(**config), "Stream", "stream", "failed", f"stream {name}_OTHER")
    assert f"Set `stream: {name}_OTHER`" in finding.remedy


def test_a_subject_that_no_stream_has_is_named_with_the_command_that_adds_it(
    shared_nats: NatsServer, name: str
) -> None:
    config = stream_for(shared_nats, name)
    found = report(**{**config, "subject": f"other.{name}"})
    finding = only(
        found, "Stream", "subjects", "failed", f"no stream captures subject other.{name}"
    )
    assert finding.fix == f"nats stream edit {name} '--subjects={name}.>,other.{name}'"


def test_a_stream_without_replays_is_named_with_the_command_that_adds_all_of_them(
    shared_nats: NatsServer, name: str
) -> None:
    config = stream_for(shared_nats, name)
    found = report(**config, replay="R1")
    finding = only(found, "Stream", "subjects", "failed", "captures subject txlog.replay.R1.")
    assert finding.fix == f"nats stream edit {name} '--subjects={name}.>,txlog.replay.>'"


@pytest.mark.parametrize(
    ("special", "check", "status", "text", "fix"),
    [
        ({"no_ack": True}, "stream", "failed", "acknowledges nothing", "--ack"),
        (
            {"storage": "memory"},
            "storage",
            "warning",
            "gone when the server restarts",
            "",
        ),
        (
            {"max_msgs": 1, "discard": "new"},
            "room",
            "failed",
            "full (100% of max_msgs 1): it refuses messages",
            "--max-msgs=2",
        ),
        (
            {"max_bytes": 150, "discard": "new"},
            "room",
            "failed",
            "of max_bytes 150): it refuses messages",
            "--max-bytes=300",
        ),
        (
            {"max_age": 200 * 10**9},
            "room",
            "warning",
            "messages are removed after 3 min, read or not (max_age)",
            "--max-age=7d",
        ),
        (
            {"max_msgs": 3},
            "room",
            "warning",
            "100% of max_msgs 3: the oldest message is ",
            "--max-msgs=6",
        ),
        (
            {"max_msg_size": 2000},
            "message size",
            "warning",
            "larger ones than 2,000 bytes are refused (max_msg_size)",
            "--max-msg-size=1MiB",
        ),
        (
            {"duplicate_window": 10**9},
            "duplicates",
            "warning",
            "the duplicate window is 1 s, but a restart may need 35 s",
            "--dupe-window=120s",
        ),
        (
            {"retention": "workqueue"},
            "duplicates",
            "warning",
            "removes what was consumed (workqueue)",
            "",
        ),
        (
            {"allow_atomic": False, "allow_batched": False},
            "mode",
            "warning",
            "mode window: mode fast needs allow_batched on the stream; mode atomic needs",
            "--allow-batch",
        ),
    ],
)
def test_each_misfit_of_the_stream_is_named(
    shared_nats: NatsServer,
    name: str,
    special: dict[str, Any],
    check: str,
    status: str,
    text: str,
    fix: str,
) -> None:
    config = stream_for(shared_nats, name, **special)
    if check == "room":
        publish(PROGRAM, 1 if special.get("discard") == "new" else 5, **config)
    finding = only(report(**config), "Stream", check, status, text)
    assert finding.fix == (f"nats stream edit {name} {fix}" if fix else "")


@pytest.mark.parametrize(
    ("mode", "special", "text"),
    [
        ("fast", {"allow_batched": False}, "mode atomic: mode fast needs allow_batched"),
        ("atomic", {"allow_atomic": False}, "mode window: mode atomic needs allow_atomic"),
        ("window", {"discard": "new", "max_msgs": 100}, "mode window may change the order"),
    ],
)
def test_a_mode_that_the_stream_does_not_allow_is_named(
    shared_nats: NatsServer, name: str, mode: str, special: dict[str, Any], text: str
) -> None:
    config = stream_for(shared_nats, name, **special)
    only(report(**config, publish_mode=mode), "Stream", "mode", "warning", text)


def test_a_sealed_stream_is_named(shared_nats: NatsServer, name: str) -> None:
    config = stream_for(shared_nats, name)
    sealed = {**shared_nats.stream_info(name)["config"], "sealed": True}
    assert "error" not in shared_nats.api(f"STREAM.UPDATE.{name}", sealed)
    only(report(**config), "Stream", "stream", "failed", "is sealed")


def test_a_mirror_is_named(shared_nats: NatsServer, name: str) -> None:
    config = stream_for(shared_nats, name)
    mirror = {"name": f"{name}_M", "mirror": {"name": name}, "storage": "file"}
    assert "error" not in shared_nats.api(f"STREAM.CREATE.{name}_M", mirror)
    found = report(**{**config, "stream": f"{name}_M"})
    finding = only(found, "Stream", "stream", "failed", f"is a mirror of {name}")
    assert finding.remedy == f"Set `stream: {name}`"


def test_another_writer_is_named(shared_nats: NatsServer, name: str) -> None:
    config = stream_for(shared_nats, name)
    publish(PROGRAM, 5, **config)
    publish("TAIL", 3, **config)
    shared_nats.store(config["subject"], "by hand")
    shared_nats.store(f"{name}.elsewhere", "not on our subject")
    text = f"4 of the newest 9 messages on our subjects are not of {PROGRAM}: TAIL (3), without a"
    only(report(**config), "Stream", "writers", "warning", text)


# Dead letters


def test_dead_letters_that_have_no_stream_are_named_and_the_fix_creates_it(
    shared_nats: NatsServer, name: str
) -> None:
    config = {**stream_for(shared_nats, name), "on_error": "dead_letter"}
    finding = only(report(**config), "Letters", "stream", "warning", f"{name}_DLQ does not exist")
    created = shared_nats.api(f"STREAM.CREATE.{name}_DLQ", json.loads(shlex.split(finding.fix)[1]))
    assert "error" not in created
    assert wrong(report(**config)) == {}


@pytest.mark.parametrize(
    ("subjects", "text"),
    [(["dlq.other.>"], "does not capture dlq."), (["dlq.{name}.invalid"], "does not capture dlq.")],
)
def test_a_stream_of_dead_letters_for_other_subjects_is_named(
    shared_nats: NatsServer, name: str, subjects: list[str], text: str
) -> None:
    config = {**stream_for(shared_nats, name), **LETTERS}
    listed = [subject.format(name=name).replace("other", name[::-1]) for subject in subjects]
    shared_nats.add_stream(f"{name}_DLQ", listed)
    finding = only(report(**config), "Letters", "stream", "warning", text)
    assert finding.fix == f"nats stream edit {name}_DLQ '--subjects=dlq.{name}.>'"


def test_a_stream_that_captures_its_own_dead_letters_is_named(make_nats: MakeNats) -> None:
    server = make_nats()
    config = {**stream_for(server, "S", subjects=["S.>", "dlq.>"]), **LETTERS}
    only(report(**config), "Letters", "stream", "warning", "stream S captures dlq.S.>")


def test_a_file_of_dead_letters_that_cannot_be_written_is_named(
    shared_nats: NatsServer, name: str
) -> None:
    config = {**stream_for(shared_nats, name), **LETTERS, "dead_letter_file": "none/letters"}
    only(report(**config), "Letters", "file", "failed", "none/letters cannot be written")


@pytest.mark.parametrize("config", [LETTERS, {}], ids=["dead_letter", "fail"])
def test_dead_letters_that_wait_in_the_file_are_named(
    shared_nats: NatsServer, name: str, config: dict[str, object]
) -> None:
    Path("letters.jsonl").write_text("{}\n{}\n")
    config = {**stream_for(shared_nats, name), **config, "dead_letter_file": "letters.jsonl"}
    text = "2 dead letters wait in letters.jsonl"
    finding = only(report(**config), "Letters", "file", "warning", text)
    assert "--replay-dead-letters" in finding.remedy


# Servers of other versions, and several of them

OLD = {"Debian": DEBIAN_NATS, "2.11": ROOT / ".venv-nats-2.11/bin/nats-server"}


@pytest.mark.parametrize("version", OLD)
def test_an_old_server_is_asked_too_and_stores_none_of_the_questions(
    make_nats: MakeNats, version: str
) -> None:
    if not OLD[version].exists():
        assert not os.environ.get("CI"), f"{OLD[version]} is missing"
        pytest.skip(f"{OLD[version]} is missing: `make test` fetches it")
    server = make_nats(binary=str(OLD[version]))
    server.add_stream("S", ["txlog.>"], duplicate_window=FIT["duplicate_window"])
    server.add_stream("S_DLQ", ["dlq.S.>"])
    assert wrong(report(servers=server.url, stream="S", **LETTERS)) == {}
    assert server.messages("S") == server.messages("S_DLQ") == 0


def test_replicas_of_a_cluster_are_looked_at(nats_cluster: list[NatsServer]) -> None:
    first, *_, last = nats_cluster
    one = stream_for(first, "ONE")
    finding = only(report(**one), "Stream", "storage", "warning", "R1 in cluster test")
    assert finding.fix == "nats stream edit ONE --replicas=3"
    three = stream_for(first, "THREE", num_replicas=3)
    assert wrong(report(**three)) == {}
    last.kill()

    def says_so() -> bool:
        found = report(**three)
        return ("Stream", "storage") in wrong(found)

    wait_until(says_so, what="the others notice that a server is away")
