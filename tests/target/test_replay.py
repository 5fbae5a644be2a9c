"""A replay has a subject, ids, a header and a row in the ledger of its own, and the target tells
where tap and target do not agree on it.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.publisher.jetstream.definition import definitions
from target_nats_jetstream.publisher.jetstream.subjects import taken_by
from target_nats_jetstream.publisher.rights import rights
from target_nats_jetstream.settings import AllSettings
from tests.support.target import event, moment, pages, record, schema, state

if TYPE_CHECKING:
    from tests.support.target import Message, Target


def place(name: str, selection: str = "0123", **more: object) -> dict[str, Any]:
    return {"context": {"replay": name, "selection": selection}, **more}


def state_of(*partitions: dict[str, Any], **own: object) -> Message:
    """A STATE of our tap with these partitions."""
    bookmark = {**own, "partitions": list(partitions)}
    return {"type": "STATE", "value": {"bookmarks": {"EVENTS": bookmark}}}


def begin(name: str = "R1", selection: str = "0123") -> Message:
    return state_of(place(name, selection, reading=True))


def end(number: int, name: str = "R1", selection: str = "0123") -> Message:
    at = {"replication_key": "AT", "replication_key_value": moment(number)}
    return state_of(place(name, selection, **at))


def replayed(*numbers: int, name: str = "R1", selection: str = "0123") -> list[Message]:
    """What our tap sends in a replay."""
    sent = [event(number) for number in numbers]
    return [begin(name, selection), schema(), *sent, end(max(numbers), name, selection)]


@pytest.fixture
def with_replays(lone_target: Target) -> Target:
    """A stream that takes replays, and has ten events already."""
    stream = lone_target.stream
    lone_target.server.add_stream(stream, [f"{stream}.>", "txlog.replay.>"])
    assert lone_target.run(*pages(1, 10, 5)).code == 0
    return lone_target


def test_a_replay_is_stored_beside_what_was_sent_before(with_replays: Target) -> None:
    before = with_replays.stored()
    row = with_replays.ledger()["PIPELINE"]
    assert with_replays.run(*replayed(3, 4), replay="R1").code == 0
    stored = with_replays.stored()
    assert stored[:10] == before
    subject = f"{with_replays.stream}.EVENTS"
    for again, first in zip(stored[10:], before[2:4], strict=True):
        assert again.subject == f"txlog.replay.R1.{subject}"
        assert again.id == f"replay:R1:{first.id}"
        assert again.headers["Txlog-Replay"] == "R1"
        assert again.data == first.data
    rows = with_replays.ledger()
    assert rows.keys() == {"PIPELINE", "PIPELINE#replay-R1"}
    assert rows["PIPELINE"] == row
    assert rows["PIPELINE#replay-R1"]["RECORDS_PROCESSED"] == 2


def test_within_a_name_each_is_stored_once_and_under_another_name_again(
    with_replays: Target,
) -> None:
    for name, count in (("R1", 12), ("R1", 12), ("R2", 14)):
        assert with_replays.run(*replayed(3, 4, name=name), replay=name).code == 0
        assert len(with_replays.stored()) == count
    assert with_replays.run(*pages(1, 10, 5)).code == 0
    assert len(with_replays.stored()) == 14


def test_placed_and_named_records_carry_the_name_too(with_replays: Target) -> None:
    keyless = [begin(), schema(keys=[]), event(3), event(3), end(3)]
    assert with_replays.run(*keyless, replay="R1").code == 0
    named = replayed(3, name="R2")
    assert with_replays.run(*named, replay="R2", message_id="{stream}-{ID}").code == 0
    *placed, last = [stored.id for stored in with_replays.stored()[10:]]
    assert all(one.startswith("replay:R1:EVENTS:") for one in placed)
    assert (len(set(placed)), last) == (2, "replay:R2:EVENTS-3")


def test_placed_records_of_a_replay_are_recognised_by_their_place(with_replays: Target) -> None:
    lines = [begin(), schema(keys=[]), *[event(3)] * 5, end(3)]
    cut = with_replays.run(*lines[:5], "oops", replay="R1")
    assert cut.code == 5
    assert with_replays.run(*lines, replay="R1").code == 0
    assert len(with_replays.stored()) == 15


def test_headers_of_the_settings_stay(with_replays: Target) -> None:
    run = with_replays.run(*replayed(3), replay="R1", headers={"Case": "{ID}"})
    assert run.code == 0
    headers = with_replays.stored()[-1].headers
    assert (headers["Case"], headers["Txlog-Replay"]) == ("3", "R1")


DISAGREE: dict[str, tuple[list[Message], str | None, str]] = {
    "the target has none": ([begin()], None, "the tap reads the replay R1, but this target"),
    "another one": ([begin("R2")], "R1", "the tap reads the replay R2, but this target"),
    "the tap reads its tail": (
        [{"type": "STATE", "value": {"bookmarks": {"EVENTS": {"reading": True}}}}],
        "R1",
        "publishes the replay R1, but the tap reads none",
    ),
    "the tap reads slices": (
        [state_of({"context": {"start": "a", "end": "b"}, "reading": True})],
        "R1",
        "publishes the replay R1, but the tap reads none",
    ),
}


@pytest.mark.parametrize(("first", "name", "words"), DISAGREE.values(), ids=DISAGREE)
def test_where_tap_and_target_disagree_nothing_is_published(
    with_replays: Target, first: list[Message], name: str | None, words: str
) -> None:
    row = with_replays.ledger()["PIPELINE"]
    run = with_replays.run(*first, schema(), event(11), state(11), replay=name)
    assert run.code == 2
    assert words in run.error
    assert "Set `replay: R" in run.error
    assert len(with_replays.stored()) == 10
    now = with_replays.ledger()["PIPELINE"]
    kept = ("SINGER_STATE", "LAST_SUCCESSFUL_TIME", "RECORDS_PROCESSED", "STATE_SEQUENCES")
    assert {name: now[name] for name in kept} == {name: row[name] for name in kept}


def test_a_foreign_tap_may_be_replayed_and_a_replay_that_has_ended_says_nothing(
    with_replays: Target,
) -> None:
    assert with_replays.run(*pages(1, 2, 1), replay="R1").code == 0
    tail = state_of(place("R1"), reading=True)
    assert with_replays.run(tail, schema(), event(11), state(11)).code == 0
    assert len(with_replays.stored()) == 13


def test_a_name_stands_for_one_selection_even_if_the_tap_has_lost_its_state(
    with_replays: Target,
) -> None:
    assert with_replays.run(*replayed(3), replay="R1").code == 0
    run = with_replays.run(*replayed(4, selection="4567"), replay="R1")
    assert run.code == 2
    assert "the replay R1 was begun with another `filter`" in run.error
    assert len(with_replays.stored()) == 11
    assert with_replays.run(*replayed(3, 4), replay="R1").code == 0


def test_a_tap_that_dies_in_a_replay_is_named_as_such(with_replays: Target) -> None:
    run = with_replays.run(begin(), schema(), event(3), replay="R1")
    assert run.code == 5
    assert "the tap ended before it finished reading EVENTS replay R1" in run.error


def test_dead_letters_of_a_replay_say_so(with_replays: Target) -> None:
    lines = [begin(), schema(), record(ID="no number", AT=moment(1), DATA=None), end(3)]
    run = with_replays.run(*lines, replay="R1", on_error="dead_letter")
    assert run.code == 0
    (letter,) = with_replays.server.read_stream(f"{with_replays.stream}_DLQ")
    assert letter.id.startswith("replay:R1:EVENTS:")


# --- the stream


def test_a_stream_that_does_not_take_replays_is_named_with_the_remedy(lone_target: Target) -> None:
    lone_target.server.add_stream(lone_target.stream, ["txlog.events"])
    settings = {"replay": "R1", "subject": "txlog.events"}
    run = lone_target.run(*replayed(3), **settings)
    assert run.code == 2
    assert "no stream captures subject txlog.replay.R1.txlog.events" in run.error
    assert "Add txlog.replay.> to its subjects" in run.error
    assert "PIPELINE" not in lone_target.ledger()


def test_a_stream_that_is_created_for_a_replay_takes_every_replay(lone_target: Target) -> None:
    for name in ("R1", "R2"):
        assert lone_target.run(*replayed(3, name=name), replay=name).code == 0
    config = lone_target.server.stream_info(lone_target.stream)["config"]
    assert config["subjects"] == ["txlog.replay.>"]


def all_settings(**config: object) -> AllSettings:
    return AllSettings.from_config({"replay": "R1", **config})


def test_definition_and_rights_know_the_subject() -> None:
    nats = all_settings(subject="txlog.{EVENT_TYPE}").nats
    assert nats.stream_subjects == ("txlog.replay.R1.txlog.*",)
    (definition,) = definitions(nats)
    assert definition["subjects"] == ["txlog.replay.>"]
    (own,) = [right.subject for right in rights(nats) if right.purpose == "messages"]
    assert own == "txlog.replay.R1.txlog.*"
    assert taken_by("txlog.events") == "txlog.events"
    assert taken_by("txlog.replay") == "txlog.replay"


def test_without_a_replay_nothing_is_different() -> None:
    plain, given = AllSettings.from_config({}), AllSettings.from_config({"replay": ""})
    for settings in (plain, given):
        assert settings.nats.stream_subjects == ("txlog.events",)
        assert settings.ledger.program_name == "M_INTIMECASEAGENT"
        assert settings.target.header_templates == {}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        *(
            ({"replay": name}, "is not the name of a replay")
            for name in ("a.b", "a b", "*", ">", "ü", "a:b", "x" * 65, "a\nb")
        ),
        ({"headers": {"txlog-replay": "x"}}, "cannot be used as a header name"),
        ({"replay": "R1", "subject": "a..b"}, "'a..b' is not a subject template"),
    ],
)
def test_settings_that_cannot_be_are_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _ = AllSettings.from_config(config).target.subject_template
    assert words in str(caught.value)


def test_the_state_goes_on_as_it_came(with_replays: Target) -> None:
    tail = {"replication_key": "AT", "replication_key_value": moment(10)}
    lines = replayed(3)
    given = copy.deepcopy(lines[-1])
    given["value"]["bookmarks"]["EVENTS"] |= tail
    run = with_replays.run(*lines[:-1], given, replay="R1")
    assert json.loads(run.states[-1]) == given["value"]
