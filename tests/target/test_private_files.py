"""Files with rows or a state are for the user of the target alone, unless they exist already."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from target_nats_jetstream.ledger.ledger import Ledger
from target_nats_jetstream.ledger.settings import LedgerSettings
from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher.intake import DeadLetter
from target_nats_jetstream.publisher.letter_file import append
from target_nats_jetstream.publisher.limits import Violation
from tests.support.modes import mode_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LETTER = DeadLetter(1, Message("a", "id", b"{}"), Violation("invalid", "why"))


@pytest.fixture(autouse=True)
def all_may_read_what_is_new() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_dead_letters_are_private_and_a_file_that_is_shared_stays_so(tmp_path: Path) -> None:
    new, shared = tmp_path / "new", tmp_path / "shared"
    shared.touch(0o664)
    for file in (new, shared):
        append(file, LETTER)
        append(file, LETTER)
        assert len(file.read_text().splitlines()) == 2
    assert (mode_of(new), mode_of(shared)) == (0o600, 0o664)


@pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite:///file:{}?uri=true"])
def test_a_ledger_is_private_and_one_that_is_shared_stays_so(tmp_path: Path, form: str) -> None:
    new, shared = tmp_path / "n e%w.db", tmp_path / "shared.db"
    shared.touch(0o664)
    for file in (new, shared):
        path = str(file).replace("%", "%25") if "uri" in form else file
        ledger = Ledger(LedgerSettings.from_config({"ledger_url": form.format(path)}))
        ledger.begin()
        ledger.close()
        assert file.stat().st_size
    assert (mode_of(new), mode_of(shared)) == (0o600, 0o664)
    assert {file.suffix for file in tmp_path.iterdir()} == {".db", ".lock"}


@pytest.mark.parametrize("place", ["", "/:memory:", "/file::memory:?uri=true", "/nowhere/x.db"])
def test_a_ledger_that_is_no_file_makes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = Ledger(LedgerSettings.from_config({"ledger_url": f"sqlite://{place}"}))
    if "nowhere" in place:
        with pytest.raises(Exception, match="unable to open"):
            ledger.begin()
    else:
        ledger.begin()
    ledger.close()
    assert list(tmp_path.iterdir()) == []
