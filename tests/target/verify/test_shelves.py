"""What is laid on shelves is found again, with what has its name."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from target_nats_jetstream.errors import TargetError
from target_nats_jetstream.message import Message
from target_nats_jetstream.verify import shelves
from target_nats_jetstream.verify.entries import Copy, Row
from target_nats_jetstream.verify.shelves import SHELVES, Shelves

if TYPE_CHECKING:
    from pathlib import Path


def rows(count: int) -> list[Row]:
    message = Message("s", "id", b"\xff", {"A": "b"})
    return [
        Row(f"E:{n}", "c", "E", None, None, n, message=message if n % 2 else None)
        for n in range(count)
    ]


@pytest.mark.parametrize("count", [0, 10, 5_000])
def test_all_are_found_once(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "KEPT", 10)
    kept, copies = Shelves(Row), Shelves(Copy)
    kept.put(rows(count))
    copies.put(Copy(f"E:{n}", "c", "E", None, n) for n in range(count))
    found = list[Row]()
    for number in range(SHELVES):
        here = kept.take(number)
        assert {one.name for one in here} == {one.name for one in copies.take(number)}
        found += here
    assert sorted(found, key=lambda one: one.number) == rows(count)
    kept.close()
    copies.close()


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shelves, "KEPT", 1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("tempfile.SpooledTemporaryFile.write", full)
    kept = Shelves(Row)
    with pytest.raises(TargetError, match=r"No space left on device\. Set TMPDIR"):
        kept.put(rows(1))
    kept.close()
    assert list(tmp_path.iterdir()) == []
