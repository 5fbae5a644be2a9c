"""The file of dead letters: running targets append while a replay takes letters out."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NoReturn

import pytest

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher.intake import DeadLetter
from target_nats_jetstream.publisher.letter_file import append, take_out
from target_nats_jetstream.publisher.letters import INVALID, to_line
from target_nats_jetstream.publisher.limits import Violation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from target_nats_jetstream.publisher.letters import StoredLetter
    from target_nats_jetstream.publisher.limits import Reason


def letter(name: str, reason: Reason = "too_large") -> DeadLetter:
    return DeadLetter(1, Message("a", name, b"{}"), Violation(reason, "why"))


def write(file: Path, *letters: DeadLetter) -> None:
    file.write_text("".join(map(to_line, letters)))


def names(file: Path) -> list[str]:
    return [json.loads(line)["id"] for line in file.read_text().splitlines()]


def all_but_late(found: Sequence[StoredLetter | None]) -> list[bool]:
    return [one is not None and not one.message.id.startswith("late") for one in found]


def test_a_letter_that_is_written_while_others_are_taken_out_is_kept(tmp_path: Path) -> None:
    """A writer that waits for the lock writes to the new file, and not to the one that is gone."""
    file = tmp_path / "letters.jsonl"

    def append_all(writer: int) -> None:
        for number in range(50):
            append(file, letter(f"late {writer}.{number}"))
            append(file, letter(f"{writer}.{number}"))

    with ThreadPoolExecutor(3) as writers:
        written = [writers.submit(append_all, writer) for writer in range(3)]
        while not all(one.done() for one in written):
            take_out(file, all_but_late)
        for one in written:
            one.result()
    take_out(file, all_but_late)
    assert sorted(names(file)) == sorted(f"late {a}.{b}" for a in range(3) for b in range(50))
    assert list(tmp_path.iterdir()) == [file]


def test_a_replay_beside_another_puts_nothing_back(tmp_path: Path) -> None:
    file = tmp_path / "letters.jsonl"
    write(file, *map(letter, "abc"))

    def take(found: Sequence[StoredLetter | None]) -> list[bool]:
        take_out(file, lambda inner: [one is not None and one.message.id == "a" for one in inner])
        append(file, letter("late"))
        return [True] * len(found)

    take_out(file, take)
    assert names(file) == ["b", "c", "late"]


@pytest.mark.parametrize("place", ["os.fsync", "pathlib.Path.replace"])
def test_a_replay_that_is_killed_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    file = tmp_path / "letters.jsonl"
    write(file, letter("kept", INVALID), letter("sent"))
    before = file.read_bytes()

    def killed(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(place, killed)
        with pytest.raises(KeyboardInterrupt):
            take_out(file, lambda found: [one.reason != INVALID for one in found if one])
    assert file.read_bytes() == before
    take_out(file, lambda found: [True] * len(found))
    assert list(tmp_path.iterdir()) == [file], "the next replay leaves nothing of the one before"


def test_a_replay_writes_to_no_file_that_a_link_leads_to(tmp_path: Path) -> None:
    file, other = tmp_path / "letters.jsonl", tmp_path / "other"
    write(file, letter("kept", INVALID), letter("sent"))
    other.write_text("is not ours")
    file.with_name("letters.jsonl.new").symlink_to(other)
    take_out(file, lambda found: [one.reason != INVALID for one in found if one])
    assert (names(file), other.read_text()) == (["kept"], "is not ours")
    assert not file.is_symlink()


def test_a_letter_has_a_line_of_its_own_after_a_torn_one(tmp_path: Path) -> None:
    file = tmp_path / "letters.jsonl"
    file.write_text('{"id": "to')
    append(file, letter("next"))
    torn, line = file.read_text().splitlines()
    assert torn == '{"id": "to'
    assert json.loads(line)["id"] == "next"


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(28, "full")])
def test_a_file_that_cannot_be_replaced_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    file = tmp_path / "letters.jsonl"
    write(file, letter("sent"))

    def fail(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ConfigurationError, match=f"or taken out: {error.strerror}"):
        take_out(file, lambda found: [True] * len(found))
    assert names(file) == ["sent"]
