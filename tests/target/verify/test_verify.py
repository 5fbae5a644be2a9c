"""``--verify`` and ``--repair`` on a real nats-server."""

from __future__ import annotations

import gc
import json
import random
import signal
import subprocess
import threading
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from target_nats_jetstream.publisher.settings import NatsSettings
from target_nats_jetstream.stop import Stopped
from target_nats_jetstream.verify.reading import read_messages
from tests.support.modes import mode_of
from tests.support.target import (
    COMMAND,
    batch,
    environment,
    event,
    pages,
    record,
    schema,
    state,
)
from tests.target.verify.verifying import delete, interrupted, publish, verify
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.target import Message, Target
    from tools.servers.nats import Stored

#: An id may be stored again as soon as the server is asked to.
FORGETFUL = {"stream_config": {"duplicate_window": "100ms"}}
ROWS = 300
NOWHERE = "nats://127.0.0.1:1"


def source(last: int) -> Iterator[Message]:
    """Rows 1 to ``last`` as a tap sends them that starts from the beginning."""
    yield schema()
    yield from map(event, range(1, last + 1))


def filled(target: Target, last: int = ROWS) -> list[Stored]:
    """Publish the rows, and one more, so that the pipeline is complete up to ``last``."""
    target.config |= FORGETFUL
    assert target.run(*pages(1, last + 1, 50)).code == 0
    return target.stored()


def again(target: Target, stored: Stored, data: bytes | None = None, **headers: str) -> None:
    """Store a message once more, as if its id were forgotten."""
    payload = stored.data if data is None else data
    sent = {**stored.headers, **{name.replace("_", "-"): one for name, one in headers.items()}}
    wait_until(lambda: publish(target, stored.subject, payload, sent), what="it is stored")


def test_equal(target: Target) -> None:
    filled(target)
    done = verify(target, *source(ROWS))
    assert done.lines == [f"verify: 1 bucket, {ROWS} rows, {ROWS} messages: equal"]
    assert done.code == 0, done.log


def test_single_messages_are_named_and_nothing_else(target: Target) -> None:
    stored = filled(target)
    chance = random.Random(7)
    numbers = chance.sample(range(2, ROWS), 12)
    removed, repeated, altered, added = (sorted(numbers[start::4]) for start in range(4))
    delete(target, *(stored[number - 1].seq for number in removed + altered))
    for number in repeated:
        again(target, stored[number - 1])
    for number in altered:
        one = stored[number - 1]
        again(target, one, b"{}", Nats_Msg_Id=one.id[:-32] + 32 * "0")
    for number in added:
        one = stored[number - 1]
        strange = one.id.replace(f"[{number},", f"[{number + 1000},")
        again(target, one, b"{}", Nats_Msg_Id=strange)
    path = target.home / "list"
    done = verify(target, *source(ROWS), options=("--json", "--list", str(path)))
    assert done.code == 5, done.log
    (bucket,) = done.result["different"]
    assert bucket["keys"] == {
        "missing": [str(n) for n in removed],
        "altered": [str(n) for n in altered],
        "stored_twice": [str(n) for n in repeated],
        "unknown": [str(n + 1000) for n in added],
    }
    listed = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(listed) == 12
    assert {one["key"] for one in listed if one["finding"] == "missing"} == {
        str(n) for n in removed
    }
    text = verify(target, *source(ROWS))
    assert text.lines[-1].endswith("1 bucket differs")
    assert text.lines[0].startswith("2026-01-01T00: 3 rows not in the stream: ")


def test_repair_sends_what_is_missing_once_and_changes_nothing_else(target: Target) -> None:
    stored = filled(target)
    delete(target, 7, 20, 21)
    before = target.ledger()
    again(target, stored[99])  # by then, the ids of the others are forgotten, too
    delete(target, target.stored()[-1].seq)
    done = verify(target, *source(ROWS), options=("--repair",))
    assert done.code == 0, done.out + done.log
    assert done.lines == [
        "2026-01-01T00: 3 rows not in the stream: 7, 20, 21",
        "repair: 3 rows sent",
        f"verify: 1 bucket, {ROWS} rows, {ROWS - 3} messages: equal after the repair",
    ]
    sent = target.stored()[-3:]
    assert [(one.id, one.subject, one.data, one.headers) for one in sent] == [
        (one.id, one.subject, one.data, one.headers) for one in (stored[n - 1] for n in (7, 20, 21))
    ]
    assert target.ledger() == before
    done = verify(target, *source(ROWS), options=("--repair",))
    assert (done.code, done.lines[0]) == (0, "repair: 0 rows sent")
    assert len(target.stored()) == len(stored)


def test_a_repair_says_that_the_server_still_remembers_an_id(target: Target) -> None:
    assert target.run(*pages(1, 11, 11)).code == 0
    delete(target, 5)
    done = verify(target, *source(10), options=("--repair",))
    assert done.code == 5
    assert done.lines[1:3] == [
        "repair: 0 rows sent",
        "repair: 1 row not stored: the server remembers the ids for 120 s. Repeat it after that",
    ]


def test_payloads_are_compared_where_that_is_asked_for(target: Target) -> None:
    stored = filled(target)
    delete(target, 30)
    again(target, stored[29], b'{"ID":30}')
    assert verify(target, *source(ROWS)).code == 0
    done = verify(target, *source(ROWS), options=("--payload",))
    assert done.code == 5
    assert done.lines[0] == "2026-01-01T00: 1 with other content: 30"


def test_rows_that_the_pipeline_has_not_come_to_are_not_missing(target: Target) -> None:
    filled(target, 50)
    done = verify(target, *source(60))
    assert done.code == 0, done.out
    assert done.lines == [
        "10 rows not compared: the pipeline is complete up to EVENTS: 2026-01-01T00:00:00.051000",
        "verify: 1 bucket, 50 rows, 50 messages: equal",
    ]
    assert verify(target, *source(60), ledger_url="").code == 5


def test_what_the_limits_of_a_stream_have_removed_is_expired(target: Target) -> None:
    target.config["stream_config"] = {"max_msgs": 250}
    assert target.run(*pages(1, 401, 50)).code == 0
    delete(target, 300)
    done = verify(target, *source(400), options=("--json",))
    assert done.code == 5
    assert done.result["different"][0]["keys"] == {"missing": ["300"]}
    assert done.result["expired"] == 151


def test_other_singer_streams_and_pipelines_on_the_subject_are_left_alone(target: Target) -> None:
    target.config["subject"] = f"{target.stream}.all"
    filled(target, 20)
    others = [schema("OTHERS"), *(event(n, "OTHERS") for n in range(1, 20))]
    assert target.run(*others, program_name="OTHER").code == 0
    assert verify(target, *source(20)).lines[-1].endswith("20 rows, 20 messages: equal")


@pytest.mark.parametrize("form", ["batch", "maps"])
def test_records_are_read_as_a_run_reads_them(target: Target, form: str) -> None:
    settings: dict[str, object] = {}
    rows = list(source(20))
    if form == "batch":
        settings["batch_config"] = {
            "encoding": {"format": "jsonl", "compression": "none"},
            "storage": {"root": f"file://{target.home}"},
        }
        file = target.home / "rows.jsonl"
    else:
        settings["stream_maps"] = {"EVENTS": {"DATA": "'mapped'"}}
    assert target.run(*rows, **settings).code == 0
    if form == "batch":
        file.write_text("".join(f"{json.dumps(one['record'])}\n" for one in rows[1:]))
        rows = [rows[0], batch(file.as_uri())]
    done = verify(target, *rows, options=("--payload",), **settings, ledger_url="")
    assert (done.code, done.lines) == (0, ["verify: 1 bucket, 20 rows, 20 messages: equal"])
    if form == "batch":
        assert not file.exists()


def test_ids_by_a_template(target: Target) -> None:
    target.config |= {"message_id": "{stream}-{ID}", **FORGETFUL}
    assert target.run(*pages(1, 21, 50)).code == 0
    delete(target, 4)
    done = verify(target, *source(20))
    assert done.lines[0] == "2026-01-01T00: 1 row not in the stream: EVENTS-4"


def test_records_without_a_key(target: Target) -> None:
    keyless = [schema(keys=(), replication_key=None), *(record(ID=n % 3) for n in range(9))]
    target.config |= FORGETFUL
    assert target.run(*keyless).code == 0
    assert verify(target, *keyless).code == 0
    delete(target, 2)
    done = verify(target, *keyless)
    assert done.code == 5
    assert done.lines[-1] == "verify: 1 bucket, 9 rows, 8 messages: 1 bucket differs"


def test_nothing_is_created_or_written(target: Target) -> None:
    done = verify(target, *source(3), options=("--json",))
    assert done.code == 2
    assert "there is no stream" in json.loads(done.out)["error"]
    assert target.server.messages(target.stream) == 0
    assert not (target.home / "ledger.db").exists() or target.ledger() == {}


def test_a_replay_is_not_compared_with_what_the_job_sends(target: Target) -> None:
    filled(target, 3)
    done = verify(target, *source(3), options=("--repair",), replay="AGAIN")
    assert (done.code, done.out, len(target.stored())) == (2, "", 4)
    assert "Run it without `replay`" in done.log


def test_an_input_that_breaks_off_says_nothing(target: Target) -> None:
    filled(target, 10)
    done = verify(target)
    assert (done.code, done.out) == (5, "")
    reading = state(5)
    reading["value"]["bookmarks"]["EVENTS"]["reading"] = True
    done = verify(target, *source(5), reading)
    assert (done.code, done.out) == (5, "")
    assert "nothing was compared" in done.log


def test_an_input_without_a_row_says_of_no_row_that_it_is_equal(target: Target) -> None:
    filled(target, 10)
    done = verify(target, schema())
    assert (done.code, done.lines) == (0, ["verify: nothing to compare"])


@pytest.mark.parametrize("messages", [[], [schema()]], ids=["empty", "no row"])
def test_a_server_that_is_away_is_said_whatever_the_input(
    target: Target, messages: list[Message]
) -> None:
    done = verify(target, *messages, servers=NOWHERE)
    assert (done.code, done.out) == (4, "")
    assert "cannot reach NATS" in done.log


def test_two_options_do_not_write_the_same_file(tmp_path: Path) -> None:
    arguments = [str(COMMAND), "--config", "ENV", "--verify", "--list=x", "--html=x"]
    env = environment()
    done = subprocess.run(arguments, env=env, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 2
    assert "--list and --html name the same file. Name two files" in done.stderr.decode()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--list", "--html"])
def test_a_file_that_cannot_be_written_is_said_at_once(target: Target, option: str) -> None:
    done = verify(target, *source(3), options=(option, "no-such-folder/file"))
    assert (done.code, done.out) == (2, "")
    assert f"cannot write {option} no-such-folder/file: No such file or directory" in done.log


@pytest.mark.parametrize("option", ["--list", "--html"])
def test_a_disk_that_is_full_is_said_of_the_file(target: Target, option: str) -> None:
    filled(target, 3)
    delete(target, 2)
    done = verify(target, *source(3), options=(option, "/dev/full"))
    assert (done.code, done.out) == (1, "")
    assert f"cannot write {option} /dev/full: No space left on device. Name a file" in done.log


def test_ids_of_somebody_else_break_no_line_and_no_run(target: Target) -> None:
    stored = filled(target, 3)[0]
    content = stored.headers["Nats-Msg-Id"][-33:]
    for key in (
        r'["\u001b[31m\nx\u202e","2026-01-01T00:00:00.002Z"]',
        "[" * 3000,
        "[1,1e9999999999]",
    ):
        again(target, stored, Nats_Msg_Id=f"EVENTS:{key}{content}")
    done = verify(target, *source(3))
    assert done.code == 5
    assert done.lines[0] == "2026-01-01T00: 1 not in the source: ?[31m?x?"
    assert len(done.lines) == 2


def test_the_buckets_are_drawn(target: Target) -> None:
    filled(target, 3)
    delete(target, 2)
    path = target.home / "page.html"
    done = verify(target, *source(3), options=("--html", str(path)))
    text = path.read_text()
    assert mode_of(path) == 0o600
    assert f"<title>{done.lines[-1]}</title>" in text
    assert text.count('<rect class="differs"') == 1
    assert "1 row not in the stream: 2" in text
    assert "//" not in text, "nothing is loaded"


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(target: Target, signum: int) -> None:
    filled(target, 3)
    done = interrupted(target, signum)
    assert (done.code, done.out) == (128 + signum, "")
    assert "Traceback" not in done.log


def test_what_ends_the_reading_of_the_stream_leaves_nothing_behind(
    target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    filled(target, 3)

    def stop(_: object) -> None:
        raise Stopped(signal.SIGTERM)

    with pytest.raises(Stopped):
        read_messages(NatsSettings.from_config(target.config), lambda _: None, stop, payloads=False)
    gc.collect()
    assert not caplog.records


def test_writers_at_work_make_no_finding(target: Target) -> None:
    """A pipeline writes on while the source, which is ahead of it, is compared again and again."""
    total, looks = 3_000, 12
    committed, lock = [0], threading.Lock()

    def tap() -> Iterator[Message]:
        yield schema()
        for number in range(1, total + 1):
            with lock:
                committed[0] = number
            yield event(number)
            if number % 50 == 0:
                yield state(number)

    running = target.start(checkpoint_seconds=1)
    feeder = running.feed_on(tap())
    running.until_states(1)
    verified = list[int]()
    while len(verified) < looks:
        with lock:
            visible = committed[0]
        done = verify(target, *source(visible), options=("--json",))
        assert done.code == 0, done.out + done.log
        verified.append(done.result["rows"])
    feeder.join()
    running.end_input()
    assert running.end().code == 0
    assert verified[-1] > 0
    assert list(islice(target.ids(), 3)) == [1, 2, 3]
