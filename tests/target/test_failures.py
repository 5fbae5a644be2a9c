"""What cannot go on ends with one line that tells cause and remedy, and with an exit code; what
came before is in the stream and its STATE is out; nothing else is.
"""

from __future__ import annotations

import json
import os
import select
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.target import (
    PASSWORD,
    ROW_CONTENT,
    Message,
    batch,
    event,
    moment,
    pages,
    record,
    schema,
    state,
)
from tools.servers.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.target import Target
    from tools.servers.nats import NatsServer

BEFORE = [schema(), *(event(number) for number in range(1, 8)), state(7), event(8)]

BAD_INPUT: dict[str, tuple[list[Message | str], str]] = {
    "no JSON": (
        [f"oops, a line that is long {ROW_CONTENT}"],
        "line 11 of the input is not a Singer message. Check",
    ),
    "half a line": (
        ['{"type": "RECORD", "stream": '],
        "line 11 of the input is not a Singer message",
    ),
    "no message": (["[]"], "line 11 of the input is not a Singer message"),
    "unknown type": (['{"type": "ROW"}'], "line 11 of the input is not a Singer message"),
    "RECORD before SCHEMA": (
        [event(1, "other")],
        "line 11 of the input is a RECORD of stream other that cannot be used: there was no SCHEMA",
    ),
    "invalid record": (
        [record(ID=ROW_CONTENT, AT=None, DATA=None)],
        "cannot be published: field ID violates 'type' in its schema",
    ),
    "missing key": ([record(AT=None, DATA=ROW_CONTENT)], "it lacks the key property ID"),
    "missing member": (
        [{"type": "RECORD", "stream": "EVENTS"}],
        "line 11 is a record of stream EVENTS that cannot be published: it has no `record`",
    ),
    "schema without properties": (
        [{"type": "SCHEMA", "stream": "other", "schema": {"type": "object"}}],
        "line 11 of the input is a SCHEMA of stream other that cannot be used: its `schema` has no",
    ),
    "invalid schema": (
        [schema("other", properties={"ID": {"type": "nonsense"}})],
        "it is not a JSON schema: it is not valid at properties/ID/type. Fix the tap or its",
    ),
    "STATE that is no object": ([{"type": "STATE", "value": None}], "STATE"),
    "BATCH without its file": (
        [batch("file:///nowhere/events.jsonl")],
        "BATCH file file:///nowhere/events.jsonl is not a file below ",
    ),
    "BATCH of another kind": (
        [batch("file:///nowhere/events.parquet", form="parquet")],
        "has files of format parquet and compression none, which are not supported",
    ),
    "BATCH before SCHEMA": (
        [batch("file:///nowhere/other.jsonl", stream="other")],
        "line 11 of the input is a BATCH of stream other that cannot be used: there was no SCHEMA",
    ),
}


@pytest.mark.parametrize(("bad", "cause"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_ends_the_run_after_all_that_was_good(
    target: Target, bad: list[Message | str], cause: str
) -> None:
    run = target.run(*BEFORE, *bad, event(9), state(9))
    assert run.code == 5
    assert cause in run.error
    assert target.ids() == list(range(1, 9))
    assert run.states == [json.dumps(state(7)["value"])]
    row = target.ledger()["PIPELINE"]
    assert row["STATUS"] == "FAILED"
    assert row["RECORDS_PROCESSED"] == 8
    assert row["ERROR_MESSAGE"] == run.error


def test_a_state_that_was_not_yet_due_leaves_with_the_failure(target: Target) -> None:
    run = target.run(*pages(1, 30, 10), event(31), "oops")
    assert run.code == 5
    assert run.states == [json.dumps(state(number)["value"]) for number in (10, 30)]
    assert target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 31


def test_a_message_that_nats_refuses_ends_the_run_at_its_place(target: Target) -> None:
    large = record(ID=51, AT=moment(51), DATA="x" * 1_100_000)
    messages = [*pages(1, 50, 10), large, event(52), state(52)]
    run = target.run(*messages, batch_size=5)
    assert run.code == 5
    assert "message EVENTS:[51," in run.error
    stored = target.ids()
    assert stored == list(range(1, len(stored) + 1))
    promised = [n for n in range(53) if json.dumps(state(n)["value"]) in run.states]
    assert max(promised, default=0) <= len(stored) <= 50
    assert target.run(*messages, on_error="dead_letter").code == 0
    assert target.ids() == [*range(1, 51), 52]


def test_the_next_run_goes_on_where_the_input_went_wrong(target: Target) -> None:
    target.run(*BEFORE, "oops")
    run = target.run(*pages(8, 20, 5))
    assert run.code == 0
    assert target.ids() == list(range(1, 21))
    row = target.ledger()["PIPELINE"]
    assert (row["STATUS"], row["ERROR_MESSAGE"]) == ("SUCCESS", None)
    assert row["RECORDS_PROCESSED"] == 20


def test_a_failing_target_goes_on_reading_for_a_bounded_while(target: Target) -> None:
    """So Meltano, blocked on a full pipe, shows our line in place of broken pipes of its own."""
    running = target.start()
    running.feed("oops")
    running.until_logged("not a Singer message")
    began = time.monotonic()
    while time.monotonic() < began + 0.5:
        running.feed(*(event(number) for number in range(100)))
    assert running.process.poll() is None
    assert running.end(seconds=10).code == 5


WRONG_SETTINGS: dict[str, tuple[dict[str, Any], int, str]] = {
    "unknown": ({"max_records": 5}, 2, "unknown setting `max_records`"),
    "nearly known": (
        {"bacth_size": 5},
        2,
        "unknown setting `bacth_size`. Did you mean `batch_size`?",
    ),
    "secret under a wrong name": ({"passwort": PASSWORD}, 2, "Did you mean `password`?"),
    "wrong kind": ({"checkpoint_seconds": PASSWORD}, 2, "setting `checkpoint_seconds`"),
    "not one of": ({"publish_mode": PASSWORD}, 2, "setting `publish_mode`"),
    "no template": ({"subject": "a..b"}, 2, "setting `subject`"),
    "two logins": ({"user": "u", "password": "p", "creds": PASSWORD}, 2, "`creds`"),
    "no stream": ({"create_stream": "off"}, 2, "does not exist"),
    "two ledgers": ({"mariadb_host": "localhost"}, 2, "`ledger_url`"),
}


@pytest.mark.parametrize(
    ("settings", "code", "cause"), WRONG_SETTINGS.values(), ids=WRONG_SETTINGS.keys()
)
def test_a_setting_that_cannot_work_is_named(
    target: Target, settings: dict[str, Any], code: int, cause: str
) -> None:
    run = target.run(*pages(1, 5, 5), **settings)
    assert run.code == code
    assert cause in run.error
    assert run.states == []
    assert target.stored() == []


def test_a_stream_that_takes_other_subjects_is_no_place_to_publish(target: Target) -> None:
    target.server.add_stream(target.stream, ["elsewhere." + target.stream])
    run = target.run(*pages(1, 5, 5))
    assert run.code == 2
    assert f"no stream captures subject {target.stream}." in run.error
    assert run.states == []


def test_a_server_that_is_not_there_is_named_with_its_address(target: Target) -> None:
    url = f"nats://127.0.0.1:{free_port()}"
    run = target.run(*pages(1, 5, 5), servers=url, connect_timeout=0.5)
    assert run.code == 4
    assert f"cannot reach NATS at {url}: connection refused" in run.error
    assert run.states == []
    assert target.ledger()["PIPELINE"]["STATUS"] == "FAILED"


def test_a_wrong_password_is_an_error_of_its_own(
    target: Target, make_nats: Callable[..., NatsServer]
) -> None:
    server = make_nats(config='authorization { user: "tester", password: "right" }')
    run = target.run(*pages(1, 5, 5), servers=server.url)
    assert run.code == 3
    assert f"NATS at {server.url} refuses the login of tester" in run.error


def test_nothing_is_published_while_the_ledger_is_away(target: Target) -> None:
    place = f"127.0.0.1:{free_port()}/d"
    run = target.run(*pages(1, 5, 5), ledger_url=f"mysql://u:{PASSWORD}@{place}", max_retries=1)
    assert run.code == 4
    assert place in run.error
    assert run.states == []
    assert target.stored() == []


def test_no_state_leaves_when_the_ledger_fails_in_mid_run(target: Target) -> None:
    running = target.start(max_retries=0, checkpoint_records=1)
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    (target.home / "ledger.db").unlink()
    (target.home / "ledger.db").write_text("no database at all, whatever one reads in it")
    running.feed(event(2), state(2))
    run = running.end()
    assert run.code == 2
    assert run.states == [json.dumps(state(1)["value"])]


def test_a_closed_stdout_ends_the_run(target: Target) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    running = target.start(stdout=write_end)
    os.close(write_end)
    running.feed(*pages(1, 5, 5))
    running.end_input()
    run = running.end()
    assert run.code == 1
    assert run.error.startswith("cannot write STATE: stdout is closed")
    assert target.ledger()["PIPELINE"]["STATUS"] == "FAILED"
    assert target.run(*pages(1, 9, 5)).code == 0
    assert target.ids() == list(range(1, 10))


def test_a_full_disk_under_stdout_ends_the_run(target: Target) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    running = target.start(stdout=full)
    os.close(full)
    running.feed(*pages(1, 5, 5))
    running.end_input()
    run = running.end()
    assert run.code == 1
    assert run.error.startswith("cannot write STATE: No space left on device")


@pytest.mark.parametrize("batch_size", [1, 50], ids=["waiting for room", "waiting for input"])
def test_a_server_that_goes_away_for_good_fails_the_run_and_loses_nothing(
    lone_target: Target, batch_size: int
) -> None:
    running = lone_target.start(max_outage=0.5, batch_size=batch_size, backoff=[0.1])
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    lone_target.server.pause()
    running.feed(*(event(number) for number in range(2, 60)), state(59))
    running.until_read()  # it ends soon after the kill, and would read no more
    lone_target.server.kill()
    run = running.end()
    assert run.code == 4
    assert lone_target.server.url in run.error
    assert run.states == [json.dumps(state(1)["value"])]
    assert lone_target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 1
    lone_target.server.start()
    run = lone_target.run(*pages(2, 70, 10))
    assert run.code == 0
    assert lone_target.ids() == list(range(1, 71))
    assert lone_target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == 70


def test_a_server_that_comes_back_is_no_failure(lone_target: Target) -> None:
    running = lone_target.start(batch_size=10, backoff=[0.1, 0.2])
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    lone_target.server.kill()
    running.feed(*(event(number) for number in range(2, 60)), state(59))
    running.end_input()
    select.select([], [], [], 0.3)
    lone_target.server.start()
    run = running.end()
    assert run.code == 0
    assert run.states[-1] == json.dumps(state(59)["value"])
    assert lone_target.ids() == list(range(1, 60))


def test_a_record_that_does_not_fit_its_schema_can_be_put_aside_in_its_place(
    target: Target,
) -> None:
    misfit = record(ID=2, AT=None, DATA=17)
    run = target.run(
        *(schema(), event(1), misfit, event(3), state(3)), on_error="dead_letter", batch_size=1
    )
    assert run.code == 0
    assert target.ids() == [1, 3]
    assert run.states == [json.dumps(state(3)["value"])]
    (letter,) = target.server.read_stream(f"{target.stream}_DLQ")
    assert json.loads(letter.data)["ID"] == 2
    assert "dead_letters=1" in run.logged("INFO")[-1]


def test_dead_letters_let_the_rest_pass(target: Target) -> None:
    large = record(ID=3, AT=None, DATA="x" * 1_100_000)
    run = target.run(
        schema(), event(1), event(2), large, event(4), state(4), on_error="dead_letter"
    )
    assert run.code == 0
    assert target.ids() == [1, 2, 4]
    assert run.states == [json.dumps(state(4)["value"])]
    assert "dead_letters=1" in run.logged("INFO")[-1]
