"""What cannot be published ends the run by name, or it is a dead letter: counted, and kept."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_nats_jetstream.errors import ConfigurationError, DataError, UnreachableError
from target_nats_jetstream.identity import new_places, placed_by
from target_nats_jetstream.message import DIGEST_HEADER, Message
from target_nats_jetstream.publisher.letters import HEADERS as HEADERS_HEADER
from target_nats_jetstream.publisher.letters import REASON, from_headers, from_line
from target_nats_jetstream.publisher.letters import SUBJECT as SUBJECT_HEADER
from target_nats_jetstream.publisher.publisher import Publisher
from target_nats_jetstream.publisher.replay import Replayed, replay_dead_letters
from tests.support.modes import mode_of
from tests.target.publisher.publishing import (
    STREAM,
    SUBJECT,
    ids,
    ids_of,
    messages,
    publish,
    publishing,
    settings_for,
    submit,
)
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nats.aio.client import Client

    from tools.servers.nats import NatsServer

LIMIT = 2_000
HEADERS = len("NATS/1.0\r\nNats-Msg-Id: bad\r\n\r\n")
SECRET = b"content-of-a-row"
BAD = {
    "above the limit": Message(SUBJECT, "bad", (SECRET * 200)[: LIMIT + 1]),
    "headers just above the limit": Message(SUBJECT, "bad", (SECRET * 200)[: LIMIT - HEADERS + 1]),
    "unusable subject": Message("txlog.a b", "bad", SECRET),
    "subject of no stream": Message("elsewhere", "bad", SECRET),
    "unusable header": Message(SUBJECT, "bad", SECRET, {"a b": "c"}),
}


@pytest.fixture
def small_server(make_nats: Callable[..., NatsServer]) -> NatsServer:
    return make_nats(config=f"max_payload: {LIMIT}")


@pytest.mark.parametrize("mode", ["fast", "atomic", "window"])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_message_that_cannot_be_published_ends_the_run_with_its_id(
    small_server: NatsServer, bad: Message, mode: str
) -> None:
    with publishing(small_server, publish_mode=mode) as publisher:
        submit(publisher, messages(200))
        publisher.submit([*messages(3, 200), bad, *messages(3, 203)])
        wait_until(lambda: publisher.failure is not None)
        assert publisher.wait(2, 10), "what came before is finished"
        assert isinstance(publisher.failure, DataError)
        assert "message bad cannot be published" in str(publisher.failure)
        assert SECRET.decode() not in str(publisher.failure)
        with pytest.raises(DataError):
            publisher.submit(messages(1))
        assert publisher.acked_through == 2
        assert publisher.counts.epochs == 1, "nothing of it reached the server"
    assert ids(small_server) == ids_of(messages(200))


@pytest.mark.parametrize("mode", ["fast", "atomic", "window"])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_dead_letter_goes_to_its_place_and_its_neighbours_to_theirs(
    small_server: NatsServer, tmp_path: Path, bad: Message, mode: str
) -> None:
    file = tmp_path / "letters.jsonl"
    with publishing(
        small_server, publish_mode=mode, on_error="dead_letter", dead_letter_file=str(file)
    ) as publisher:
        publish(publisher, [*messages(5), bad, *messages(5, 5)])
        counts = publisher.counts
        assert (counts.published, counts.dead_letters, counts.epochs) == (10, 1, 1)
    assert ids(small_server) == ids_of(messages(10))
    if small_server.messages(f"{STREAM}_DLQ"):
        (letter,) = small_server.read_stream(f"{STREAM}_DLQ")
        assert (letter.id, letter.data) == ("bad", bad.payload)
        assert letter.subject.startswith(f"dlq.{STREAM}.")
        assert letter.headers["Dead-Letter-Reason"] == letter.subject.split(".")[-1]
        assert not file.exists()
    else:  # NATS cannot take it
        line = json.loads(file.read_text())
        assert (line["id"], line["subject"]) == ("bad", bad.subject)
        assert line["payload"].encode() == bad.payload


def test_the_callers_own_dead_letters_are_part_of_the_order_of_batches(
    nats_server: NatsServer,
) -> None:
    with publishing(nats_server, on_error="dead_letter") as publisher:
        publisher.submit(messages(3))
        number = publisher.submit_dead_letters(messages(2, 3), "invalid", "field A breaks a rule")
        publisher.submit(messages(3, 5))
        assert number == 2
        assert publisher.wait(3, 10)
        assert publisher.counts.dead_letters == 2
    assert ids(nats_server, f"{STREAM}_DLQ") == ["id-3", "id-4"]
    (first, _) = nats_server.read_stream(f"{STREAM}_DLQ")
    assert first.headers["Dead-Letter-Detail"] == "field A breaks a rule"


def test_a_dead_letter_that_is_sent_again_lies_there_once(nats_server: NatsServer) -> None:
    for _ in range(2):
        with publishing(nats_server, on_error="dead_letter") as publisher:
            publish(publisher, [BAD["unusable subject"]])
    assert ids(nats_server, f"{STREAM}_DLQ") == ["bad"]


def test_letters_go_to_the_file_when_no_stream_takes_them(
    nats_server: NatsServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nats_server.add_stream(STREAM, ["txlog.>"], allow_atomic=True)
    file = tmp_path / "letters.jsonl"
    with publishing(
        nats_server, create_stream="off", on_error="dead_letter", dead_letter_file=str(file)
    ) as publisher:
        bad = [Message("txlog.a b", f"bad-{n}", b"\xff" * n) for n in range(3)]
        publish(publisher, [*messages(5), *bad, *messages(5, 5)])
        assert publisher.counts.dead_letters == 3
    assert ids(nats_server) == ids_of(messages(10))
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == ids_of(bad)
    (why,) = re.findall(r"NATS does not accept them \((.*)\)", caplog.text)
    assert why.startswith(("nobody answers on dlq.", "no answer to "))


@pytest.mark.parametrize(
    "limit", [{"max_msgs": 1, "discard": "new"}, {"max_msg_size": 50}], ids=["full", "too large"]
)
def test_letters_go_to_the_file_when_their_stream_refuses_them(
    nats_server: NatsServer, tmp_path: Path, limit: dict[str, Any]
) -> None:
    file = tmp_path / "letters.jsonl"
    letters = {"name": f"{STREAM}_DLQ", "subjects": [f"dlq.{STREAM}.>"], **limit}
    nats_server.api(f"STREAM.CREATE.{letters['name']}", letters)
    with publishing(nats_server, on_error="dead_letter", dead_letter_file=str(file)) as publisher:
        publisher.submit_dead_letters(messages(3), "invalid", "field A breaks a rule")
        wait_until(lambda: publisher.counts.dead_letters == 3)
    stored = ids(nats_server, f"{STREAM}_DLQ")
    filed = [json.loads(line)["id"] for line in file.read_text().splitlines()]
    assert len(stored) == (1 if "max_msgs" in limit else 0)
    assert [*stored, *filed] == ids_of(messages(3))


def test_a_file_that_cannot_be_written_ends_the_run(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    nats_server.add_stream(STREAM, ["txlog.>"])
    with publishing(
        nats_server,
        create_stream="off",
        on_error="dead_letter",
        dead_letter_file=str(tmp_path / "no" / "such" / "folder"),
    ) as publisher:
        assert not publisher.wait(submit(publisher, [BAD["unusable subject"]]), 10)
        assert isinstance(publisher.failure, DataError)
        assert "`dead_letter_file`" in str(publisher.failure)
        assert publisher.acked_through == 0, "a dead letter without a place is not done"


def test_letters_come_again_when_the_cause_is_fixed(
    make_nats: Callable[..., NatsServer], tmp_path: Path
) -> None:
    server = make_nats(config=f"max_payload: {LIMIT}")
    too_large = [
        Message(SUBJECT, f"large-{n}", b"x" * (LIMIT + n), {"Color": "grün"}) for n in range(3)
    ]
    uncaptured = [
        Message(f"new.{n}", f"new-{n}", b"\xff\x00", {"Color": "rot"}) for n in range(150)
    ]
    config: dict[str, Any] = {
        "on_error": "dead_letter",
        "dead_letter_file": str(tmp_path / "letters.jsonl"),
        "dedupe_tail": 0,
    }
    with publishing(server, **config) as publisher:
        publish(publisher, [*messages(2), *too_large, *uncaptured, *messages(2, 2)])
        assert publisher.counts.dead_letters == 153
    settings = settings_for(server, **config)
    (tmp_path / "letters.jsonl").chmod(0o640)
    assert replay_dead_letters(settings) == Replayed(unpublishable=153), "nothing is fixed yet"
    assert mode_of(tmp_path / "letters.jsonl") == 0o640

    server.kill()
    server.config = "max_payload: 1MB"
    server.start()
    server.api(
        f"STREAM.UPDATE.{STREAM}",
        server.stream_info(STREAM)["config"] | {"subjects": ["txlog.>", "new.>"]},
    )
    assert replay_dead_letters(settings) == Replayed(published=153)
    stored = {s.id: s for s in server.read_stream(STREAM)}
    for message in (*too_large, *uncaptured):
        assert stored[message.id].data == message.payload
        assert stored[message.id].subject == message.subject
        assert stored[message.id].headers["Color"] == (message.headers or {})["Color"]
    assert server.messages(f"{STREAM}_DLQ") == 0
    assert replay_dead_letters(settings) == Replayed()


def test_a_letter_of_a_placed_message_comes_back_as_nobodys(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    file = tmp_path / "letters.jsonl"
    message_id = f"S:{'c' * 22}:{next(new_places('P'))}"
    settings = settings_for(nats_server, dead_letter_file=str(file))
    for _ in range(2):
        file.write_text(json.dumps(letter(message_id)) + "\n")
        assert replay_dead_letters(settings) == Replayed(published=1)
    (stored,) = nats_server.read_stream(STREAM)
    assert stored.id == f"{message_id}:replayed"
    assert placed_by(str(stored.id)) is None
    assert "Singer-Pipeline" not in stored.headers


def letter(message_id: str, subject: str = SUBJECT, **more: object) -> dict[str, Any]:
    """A line of the file."""
    line = {"id": message_id, "subject": subject, "reason": "too_large", "headers": {}}
    return {**line, "payload": f"payload of {message_id}", **more}


FOREIGN_HEADERS: list[dict[str, str] | None] = [
    None,
    {"Other": "x"},
    {"Dead-Letter-Subject": SUBJECT},
    {"Dead-Letter-Subject": SUBJECT, "Dead-Letter-Reason": "too_large"},
    *(
        {
            "Nats-Msg-Id": f"foreign-{number}",
            "Dead-Letter-Subject": SUBJECT,
            "Dead-Letter-Reason": "too_large",
            "Dead-Letter-Headers": own,
        }
        for number, own in enumerate(
            ["no JSON", "7", '{"a": 1}', '{"Nats-Rollup": "all"}', '{"nats-TTL": "1s"}']
        )
    ),
    {"Dead-Letter-Subject": SUBJECT, "Other": "gr\xfcn"},
]


def test_what_is_no_letter_keeps_no_letter_back(nats_server: NatsServer, tmp_path: Path) -> None:
    with publishing(nats_server, on_error="dead_letter") as publisher:
        publish(publisher, [*messages(2), Message("new.1", "one", b"1")])

    async def put(client: Client) -> None:
        for headers in FOREIGN_HEADERS:
            await client.jetstream().publish(f"dlq.{STREAM}.foreign", b"SECRET", headers=headers)

    nats_server.run(put)
    with publishing(nats_server, on_error="dead_letter") as publisher:
        publish(publisher, [Message("new.2", "two", b"2")])
    file = tmp_path / "letters.jsonl"
    foreign_lines = ["no JSON", "[]", "{}", json.dumps(letter("three", headers={"a": 1}))]
    foreign_lines.append(json.dumps(letter("six", headers={"Nats-Rollup": "all"})))
    file.write_text("\n".join([*foreign_lines, json.dumps(letter("four"))]) + "\n")
    config = nats_server.stream_info(STREAM)["config"] | {"subjects": ["txlog.>", "new.>"]}
    nats_server.api(f"STREAM.UPDATE.{STREAM}", config)

    settings = settings_for(nats_server, dead_letter_file=str(file))
    foreign = len(FOREIGN_HEADERS) + len(foreign_lines)
    assert replay_dead_letters(settings) == Replayed(published=3, foreign=foreign)
    assert sorted(ids(nats_server)[2:]) == ["four", "one", "two"]
    assert nats_server.messages(f"{STREAM}_DLQ") == len(FOREIGN_HEADERS)
    assert file.read_text().splitlines() == foreign_lines
    assert replay_dead_letters(settings) == Replayed(foreign=foreign)


def test_a_record_that_does_not_fit_its_schema_does_not_go_out_as_a_letter_either(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    file = tmp_path / "letters.jsonl"
    with publishing(nats_server, on_error="dead_letter") as publisher:
        publisher.submit_dead_letters(messages(2), "invalid", "field A breaks a rule")
        assert publisher.wait(1, 10)
    kept = letter("in the file", reason="invalid")
    file.write_text(f"{json.dumps(kept)}\n")
    settings = settings_for(nats_server, dead_letter_file=str(file))
    assert replay_dead_letters(settings) == Replayed(invalid=3)
    assert nats_server.messages(STREAM) == 0
    assert nats_server.messages(f"{STREAM}_DLQ") == 2
    assert json.loads(file.read_text()) == kept


def test_a_letter_that_cannot_be_published_is_told_and_keeps_no_other_back(
    nats_server: NatsServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One that no stream captures, and one that only the comparison with the stream refuses."""
    with publishing(nats_server) as publisher:
        publish(publisher, [Message(SUBJECT, "same", b"1", {DIGEST_HEADER: "a"})])
    file = tmp_path / "letters.jsonl"
    lines = [
        letter("first"),
        letter("same", headers={DIGEST_HEADER: "b"}),
        letter("lost", "new.1"),
        letter("last"),
    ]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    settings = settings_for(nats_server, dead_letter_file=str(file))
    assert replay_dead_letters(settings) == Replayed(published=2, unpublishable=2)
    assert ids(nats_server) == ["same", "first", "last"]
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == ["same", "lost"]
    told = [record.message for record in caplog.records if "cannot be published" in record.message]
    assert len(told) == 2
    assert not any("payload" in text for text in told)


def test_a_letter_that_is_written_during_a_replay_is_kept(
    nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, late = tmp_path / "letters.jsonl", json.dumps(letter("late")) + "\n"
    kept = json.dumps(letter("wrong", reason="invalid")) + "\n"
    file.write_text(json.dumps(letter("first")) + "\n" + kept)
    file.chmod(0o600)
    submit = Publisher.submit

    def submit_late(publisher: Publisher, batch: Sequence[Message]) -> int:
        with file.open("a") as lines:
            lines.write(late)
        return submit(publisher, batch)

    monkeypatch.setattr(Publisher, "submit", submit_late)
    settings = settings_for(nats_server, dead_letter_file=str(file))
    assert replay_dead_letters(settings) == Replayed(published=1, invalid=1)
    assert sorted(file.read_text().splitlines(keepends=True)) == sorted([late, kept])
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob("letters*")) == [file]


def test_a_link_to_the_file_stays_one(nats_server: NatsServer, tmp_path: Path) -> None:
    file, link = tmp_path / "elsewhere" / "letters.jsonl", tmp_path / "letters.jsonl"
    file.parent.mkdir()
    file.write_text(json.dumps(letter("first")) + "\nforeign\n")
    link.symlink_to(file)
    with publishing(nats_server):
        replayed = replay_dead_letters(settings_for(nats_server, dead_letter_file=str(link)))
    assert replayed == Replayed(published=1, foreign=1)
    assert link.is_symlink()
    assert file.read_text() == "foreign\n"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_not_replaced_by_one(
    nats_server: NatsServer, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    place = tmp_path / "letters.jsonl"
    make(place)
    before = place.stat()
    with (
        publishing(nats_server),
        pytest.raises(ConfigurationError, match="is not a regular file, so"),
    ):
        replay_dead_letters(settings_for(nats_server, dead_letter_file=str(place)))
    assert place.stat().st_mode == before.st_mode
    assert list(tmp_path.glob("letters*")) == [place]


def test_a_replay_that_fails_gives_the_letters_back(
    nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "letters.jsonl"
    lines = "".join(json.dumps(letter(f"m{number}")) + "\n" for number in range(150))
    file.write_text(lines)
    monkeypatch.setattr(Publisher, "wait", lambda *_: False)
    with pytest.raises(UnreachableError):
        replay_dead_letters(settings_for(nats_server, dead_letter_file=str(file)))
    assert file.read_text() == lines
    assert list(tmp_path.glob("letters*")) == [file]


def test_a_foreign_line_stays_as_it_is(nats_server: NatsServer, tmp_path: Path) -> None:
    file = tmp_path / "letters.jsonl"
    foreign = "a\u2028b\x1cc\x85d\r".encode() + b"\xff\n"
    file.write_bytes(foreign)
    settings = settings_for(nats_server, dead_letter_file=str(file))
    assert replay_dead_letters(settings) == Replayed(foreign=1)
    assert file.read_bytes() == foreign


TEXT = st.text(max_size=20) | st.sampled_from(["{}", '{"a": "b"}', "\ud800", "%ff", "[" * 9999])


@given(
    st.dictionaries(st.sampled_from(["Nats-Msg-Id", SUBJECT_HEADER, REASON, HEADERS_HEADER]), TEXT)
)
def test_any_headers_are_those_of_a_letter_or_not(headers: dict[str, str]) -> None:
    found = from_headers(headers, b"")
    assert found is None or found.message.id == headers["Nats-Msg-Id"]


@given(st.dictionaries(st.sampled_from([*letter("x"), "payload_base64"]), st.integers() | TEXT))
@example({"more": "VALUE"})
def test_any_line_is_a_letter_or_not(line: dict[str, object]) -> None:
    text = json.dumps(line, ensure_ascii=False).replace('"VALUE"', "[" * 9999)
    found = from_line(text)
    assert found is None or found.message.id == line["id"]
