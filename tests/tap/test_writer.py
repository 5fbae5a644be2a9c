"""What the writer puts on stdout: in order, whole, exact, and at once when it has to be."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from singer_sdk.singerlib import RecordMessage, StateMessage

from tap_oracle_txlog.row import row_type
from tap_oracle_txlog.writer import BUFFER_BYTES, PIPE_BYTES, SingerWriter
from tests.tap.command import Running, environment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_oracle_txlog.row import Row

NUMBERS = "123456789012345678901234567890.123456789"
ROWS: list[dict[str, object]] = [
    {"ID": 2**63, "TEXT": 'é "結"\\\n\t\u2028\x00', "NONE": None},
    {"ID": -1, "AMOUNT": Decimal(NUMBERS), "ZERO": Decimal("0.00"), "BIG": Decimal("1E+3")},
    {"ID": 0, "FLAG": True, "LIST": [1, {"a": None}], "RATIO": 0.1},
]


def row(values: dict[str, object]) -> Row:
    return row_type(list(values))(*values.values())


def write(writer: SingerWriter, rows: Iterable[dict[str, object]]) -> None:
    writer.write_records("T", list(map(row, rows)))


TIME = re.compile(rb',"time_extracted":"2[-0-9T:.]+Z"')


def without_time(output: bytes) -> bytes:
    return TIME.sub(b"", output)


def test_records_and_states_come_out_complete_and_in_the_order_of_the_calls(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    writer = SingerWriter()
    for page in range(3):
        writer.write_records("T", [row({"ID": page * 10 + number}) for number in range(10)])
        writer.write_message(StateMessage({"page": page}))
    messages = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    ids = [one["record"]["ID"] if "record" in one else one["value"]["page"] for one in messages]
    assert ids == [*range(10), 0, *range(10, 20), 1, *range(20, 30), 2]


def test_a_page_gives_the_bytes_that_its_messages_would(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    writer = SingerWriter()
    write(writer, ROWS)
    writer.flush()
    page = capsysbinary.readouterr().out
    now = datetime.now(UTC)
    for row in ROWS:
        writer.write_message(RecordMessage("T", row, time_extracted=now))
    writer.flush()
    single = capsysbinary.readouterr().out
    assert without_time(page) == without_time(single)
    assert TIME.findall(page)
    begins = b'{"type":"RECORD","stream":"T","record":{"ID":'  # targets know a record by this
    assert all(line.startswith(begins) for line in page.splitlines())
    assert page.count(b"\n") == len(ROWS)


def test_numbers_keep_all_their_digits_and_text_its_characters(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    writer = SingerWriter()
    write(writer, ROWS)
    writer.flush()
    out = capsysbinary.readouterr().out
    assert f'"AMOUNT":{NUMBERS},"ZERO":0.00,'.encode() in out
    lines = [json.loads(line, parse_float=Decimal)["record"] for line in out.splitlines()]
    assert lines[:2] == ROWS[:2]


HALF = "\ud800"
HALVES: list[dict[str, object]] = [
    {"ID": 1, "DOC": HALF, "AMOUNT": Decimal(NUMBERS)},
    {"ID": 2, "DOC": "é", "AMOUNT": Decimal("0.00")},
    {"ID": 3, "DOC": {HALF: [Decimal("1.10"), {"é": f"{HALF}é"}]}, "AMOUNT": None},
]


def test_half_a_surrogate_pair_is_an_escape_again_and_all_else_what_it_was(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    writer = SingerWriter()
    write(writer, HALVES)
    writer.flush()
    page = capsysbinary.readouterr().out
    found = [json.loads(line, parse_float=Decimal)["record"] for line in page.splitlines()]
    assert found == HALVES
    assert rb'"record":{"ID":1,"DOC":"\ud800","AMOUNT":' + NUMBERS.encode() + b"}" in page
    assert '"record":{"ID":2,"DOC":"é","AMOUNT":0.00}'.encode() in page
    now = datetime.now(UTC)
    for one in HALVES:
        writer.write_message(RecordMessage("T", one, time_extracted=now))
    writer.flush()
    assert without_time(capsysbinary.readouterr().out) == without_time(page)


def test_every_page_says_when_it_was_read(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    before = datetime.now(UTC)
    writer = SingerWriter()
    write(writer, ROWS)
    writer.flush()
    for line in capsysbinary.readouterr().out.splitlines():
        assert before <= datetime.fromisoformat(json.loads(line)["time_extracted"])


def test_a_long_page_is_not_kept_in_memory(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    writer = SingerWriter()
    out = 0
    for number in range(20):
        write(writer, [{"ID": number, "TEXT": "x" * (BUFFER_BYTES // 4)}])
        out += len(capsysbinary.readouterr().out)
        assert out >= number * BUFFER_BYTES // 4 - BUFFER_BYTES


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a pipe has the size it has")
def test_a_pipe_takes_a_thousand_rows_or_more_before_the_tap_has_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if int(Path("/proc/sys/fs/pipe-max-size").read_text(encoding="ascii")) < PIPE_BYTES:
        pytest.skip("this system does not allow as much")
    read_end, write_end = os.pipe()
    with open(read_end, "rb"), open(write_end, "w", encoding="ascii") as stdout:  # noqa: PTH123  # descriptors
        monkeypatch.setattr(sys, "stdout", stdout)
        SingerWriter.widen_pipe()
        assert fcntl.fcntl(write_end, fcntl.F_GETPIPE_SZ) == PIPE_BYTES


def test_what_is_no_pipe_is_written_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        SingerWriter.widen_pipe()
        writer = SingerWriter()
        write(writer, ROWS)
        writer.flush()
    assert (tmp_path / "out").read_bytes().count(b"\n") == len(ROWS)


@pytest.mark.parametrize("rows", [1, 1_000], ids=["small page", "large page"])
def test_a_state_is_in_the_pipe_before_anything_else_is_done(rows: int, tmp_path: Path) -> None:
    program = f"""
import sys
from singer_sdk.singerlib import StateMessage
from tap_oracle_txlog.row import row_type
from tap_oracle_txlog.writer import SingerWriter
writer = SingerWriter()
writer.write_records("T", list(map(row_type(["ID"]), range({rows}))))
writer.write_message(StateMessage({{"done": True}}))
sys.stdin.read()
"""
    stderr = tmp_path / "stderr.txt"
    stderr.touch()
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with Running(process, stderr) as running:
        running.read_until(b"STATE")
        assert process.stdin
        process.stdin.close()  # it has been waiting for this
        run = running.rest()
    assert run.types == ["RECORD"] * rows + ["STATE"]
    assert run.code == 0
