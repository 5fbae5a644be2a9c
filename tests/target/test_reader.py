"""Every message reaches its callback, exact and in order, however the input is cut; silence and
rubbish are met as promised.
"""

from __future__ import annotations

import io
import json
import math
import os
import threading
import time
from collections import Counter
from contextlib import contextmanager
from decimal import Decimal
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from target_nats_jetstream.errors import DataError
from target_nats_jetstream.reader import SingerReader, discard
from target_nats_jetstream.stop import Stop
from tests.target.records import RECORDS, digits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

#: For the tests of which each takes many examples.
STOP = Stop()
TYPES = ("SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION", "BATCH")


class Received:
    """A reader on one end of a real pipe, and all that it gave to its callbacks."""

    def __init__(self, stop: Stop) -> None:
        self.messages: list[dict[str, Any]] = []
        self.idle_at: list[float] = []
        self.fast_paths: dict[str | None, Callable[[Sequence[bytes]], None]] = {}
        self.started = 0
        self.wants: Callable[[], float] = lambda: math.inf
        self._reader = SingerReader(stop.readable, self._start, self._idle, self.fast_paths.get)

    def _start(self) -> None:
        self.started += 1

    def _idle(self) -> float:
        self.idle_at.append(time.monotonic())
        return self.wants()

    def read(self, file: IO[Any]) -> Counter[str]:
        return self._reader.process_lines(file, dict.fromkeys(TYPES, self.messages.append))


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def received(stop: Stop) -> Received:
    return Received(stop)


@contextmanager
def written(text: bytes) -> Iterator[io.FileIO]:
    """The reading end of a pipe into which another thread writes ``text``, then closes it."""
    read_end, write_end = os.pipe()

    def write() -> None:
        with open(write_end, "wb", buffering=0) as file:  # noqa: PTH123 - it has no path
            file.write(text)

    writer = threading.Thread(target=write)
    writer.start()
    with open(read_end, "rb", buffering=0) as file:  # noqa: PTH123 - it has no path
        yield file
    writer.join(10)


def record(**fields: object) -> dict[str, object]:
    return {"type": "RECORD", "stream": "s", "record": fields}


def lines(*messages: object) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


MESSAGES = st.lists(
    RECORDS.map(lambda fields: record(**{f"f{name}": str(fields[name]) for name in fields})),
    max_size=6,
)


@settings(max_examples=60)
@given(MESSAGES, st.lists(st.integers(0, 400), max_size=8), st.booleans(), st.booleans())
def test_the_input_may_be_cut_anywhere(
    messages: list[dict[str, Any]], cuts: list[int], escaped: bool, last_newline: bool
) -> None:
    text = b"\n".join(json.dumps(m, ensure_ascii=escaped).encode() for m in messages)
    text += b"\n" if last_newline else b""
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    pieces = iter([text[a:b] for a, b in pairwise(edges)])
    read_end, write_end = os.pipe()

    def write_the_next_piece() -> float:
        """Only when the one before is read: else they would arrive as one."""
        piece = next(pieces, None)
        os.close(write_end) if piece is None else os.write(write_end, piece)
        return math.inf

    received = Received(STOP)
    received.wants = write_the_next_piece
    with open(read_end, "rb") as file:  # noqa: PTH123 - it has no path
        counts = received.read(file)
    assert received.messages == messages
    assert counts["RECORD"] == len(messages)
    assert received.started == 1


def test_runs_of_records_go_to_the_taker_of_their_stream_as_the_tap_wrote_them(
    received: Received,
) -> None:
    taken: list[list[bytes]] = []

    def take(encoded: Sequence[bytes]) -> None:
        taken.append(list(encoded))

    received.fast_paths["s"] = take
    text = (
        b'{"type": "RECORD", "record": {"a" : 1.10}, "stream": "s", "time_extracted": "x"}\n'
        b'{"type":"RECORD","stream":"s","record":{"a":2}}\n'
        b'{"type":"STATE","value":{"a":3}}\n'
        b'{"type":"RECORD","stream":"other","record":{"a":4}}\n'
        b'{"type":"RECORD","stream":"s","record":{"a":"no"}}\n'
        b'{"type":"RECORD","stream":"s","record":{"a":5}}\n'
    )
    with written(text) as file:
        counts = received.read(file)
    assert taken == [[b'{"a" : 1.10}', b'{"a":2}'], [b'{"a":"no"}', b'{"a":5}']]
    assert [message["type"] for message in received.messages] == ["STATE", "RECORD"]
    assert [message["record"]["a"] for message in received.messages[1:]] == [4]
    assert counts == Counter(RECORD=5, STATE=1)


@pytest.mark.parametrize("bad", [b"oops", b'{"type":"ROW"}', b"[]", b'{"type":"RECORD","stream":'])
def test_what_comes_before_a_bad_line_is_taken_and_what_comes_after_it_is_not(
    received: Received, bad: bytes
) -> None:
    taken: list[bytes] = []

    def take(encoded: Sequence[bytes]) -> None:
        taken.extend(encoded)

    received.fast_paths["s"] = take
    good = lines(record(a=1)).rstrip()
    with pytest.raises(DataError, match=r"^line 4 of the input is not a Singer message"):
        received.read(io.BytesIO(b"\n".join([good, b"", good, bad, good])))
    assert len(taken) == 2


def test_an_error_of_a_taker_is_not_taken_for_a_bad_line(received: Received) -> None:
    def fail(_: Sequence[bytes]) -> None:
        raise KeyError

    received.fast_paths["s"] = fail
    with pytest.raises(KeyError):
        received.read(io.BytesIO(lines(record(a=1))))


def test_a_file_is_read_as_a_pipe_is(received: Received, tmp_path: Path) -> None:
    path = tmp_path / "input.singer"
    path.write_bytes(lines(record(a=1), record(a=2)))
    with path.open() as file:  # the SDK's --input hands a text file over
        received.read(file)
    assert received.messages == [record(a=1), record(a=2)]


@pytest.mark.parametrize("kind", [io.StringIO, lambda text: io.BytesIO(text.encode())])
def test_a_file_in_memory_is_read_as_a_pipe_is(
    received: Received, kind: Callable[[str], Any]
) -> None:
    received.read(kind(lines(record(a=1), record(a=2)).decode()))
    assert received.messages == [record(a=1), record(a=2)]


def test_blank_lines_and_carriage_returns_are_no_messages(received: Received) -> None:
    text = b"\n\r\n  \n" + lines(record(a=1)).replace(b"\n", b"\r\n") + b"\n\n" + lines(record(a=2))
    with written(text) as file:
        assert received.read(file) == Counter({**dict.fromkeys(TYPES, 0), "RECORD": 2})
    assert received.messages == [record(a=1), record(a=2)]


def test_a_line_of_five_megabytes_is_a_line_as_any_other(received: Received) -> None:
    large = record(text="x" * 5_000_000)
    with written(lines(record(a=1), large, record(a=2))) as file:
        received.read(file)
    assert received.messages == [record(a=1), large, record(a=2)]


NUMBERS = (
    st.integers()
    | st.integers(-(10**60), 10**60)
    | st.decimals(allow_nan=False, allow_infinity=False)
)


@settings(max_examples=60)
@given(NUMBERS)
@example(Decimal("0.1000000000000000055511151231257827"))
@example(Decimal("1E+400"))
@example(2**64)
@example(-(2**63) - 1)
@example(12345678901234567890123456789012345678)
def test_numbers_are_read_exactly(number: int | Decimal) -> None:
    received = Received(STOP)
    received.read(io.BytesIO(b'{"type": "STATE", "value": {"n": %s}}' % str(number).encode()))
    value = received.messages[0]["value"]["n"]
    assert digits(value) == digits(number)
    assert not isinstance(value, float)


RUBBISH = [
    "Traceback (most recent call last):",
    '{"type": "RECORD", "stream": "s", "record": {',
    "[1, 2]",
    "7",
    '"RECORD"',
    "null",
    "{}",
    '{"type": null}',
    '{"type": ["RECORD"]}',
    '{"type": "record"}',
    '{"type": "ROW"}',
    "\ufeff" + '{"type": "STATE", "value": {}}',
]


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_line_that_is_no_message_is_named_by_its_number(received: Received, rubbish: str) -> None:
    text = b"\n" + lines(record(a=1)) + rubbish.encode() + b"\n" + lines(record(a=2))
    with (
        written(text) as file,
        pytest.raises(DataError, match=r"line 3 of the input is not a Singer"),
    ):
        received.read(file)
    assert received.messages == [record(a=1)]


@pytest.mark.parametrize("rubbish", [b"\xff\xfe{}", b'{"type": "STATE", "value": "\xc3"}'])
def test_a_line_that_is_no_utf_8_is_no_message(received: Received, rubbish: bytes) -> None:
    with written(rubbish + b"\n") as file, pytest.raises(DataError, match="line 1"):
        received.read(file)


@pytest.mark.parametrize("kind", [io.StringIO, lambda text: io.BytesIO(text.encode())])
def test_of_a_line_that_is_no_message_nothing_is_shown(
    received: Received, kind: Callable[[str], Any]
) -> None:
    """It may be the second half of a row."""
    with pytest.raises(DataError) as caught:
        received.read(kind("SECRET\n"))
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_error_of_a_callback_is_not_taken_for_a_bad_line(stop: Stop) -> None:
    def fail(_: object) -> None:
        raise KeyError

    reader = SingerReader(stop.readable, lambda: None, lambda: math.inf, lambda _: None)
    with pytest.raises(KeyError):
        reader.process_lines(io.BytesIO(lines(record(a=1))), {"RECORD": fail})


def test_while_the_input_is_silent_idle_is_called_when_it_wants_to_be(received: Received) -> None:
    read_end, write_end = os.pipe()

    def end_after_three() -> float:
        if len(received.idle_at) == 4:
            os.close(write_end)
        return time.monotonic() + 0.05

    received.wants = end_after_three
    with open(read_end, "rb") as file:  # noqa: PTH123 - it has no path
        received.read(file)
    pauses = [later - earlier for earlier, later in pairwise(received.idle_at)]
    assert len(pauses) == 3
    assert min(pauses) >= 0.05
    assert max(pauses) < 5


def test_a_wake_calls_idle_although_nothing_is_due(received: Received, stop: Stop) -> None:
    read_end, write_end = os.pipe()

    def wake_then_close() -> float:
        stop.wake() if len(received.idle_at) == 1 else os.close(write_end)
        return math.inf

    received.wants = wake_then_close
    with open(read_end, "rb") as file:  # noqa: PTH123 - it has no path
        received.read(file)
    assert len(received.idle_at) == 2


def test_what_came_before_the_silence_is_given_on_before_idle_is_called(
    received: Received,
) -> None:
    read_end, write_end = os.pipe()
    seen: list[int] = []

    def look() -> float:
        seen.append(len(received.messages))
        os.close(write_end)
        return math.inf

    received.wants = look
    os.write(write_end, lines(record(a=1), record(a=2)) + b'{"type": "REC')
    with (
        open(read_end, "rb") as file,  # noqa: PTH123 - it has no path
        pytest.raises(DataError, match="line 3"),
    ):
        received.read(file)
    assert seen == [2]


def test_the_start_comes_before_the_first_read(stop: Stop) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, lines(record(a=1)))
    os.close(write_end)

    def refuse() -> None:
        raise ConnectionRefusedError

    reader = SingerReader(stop.readable, refuse, lambda: math.inf, lambda _: None)
    with open(read_end, "rb") as file:  # noqa: PTH123 - it has no path
        with pytest.raises(ConnectionRefusedError):
            reader.process_lines(file, {})
        assert file.read() == lines(record(a=1))


def test_discarding_ends_with_the_input(stop: Stop) -> None:
    with written(b"x" * 3_000_000) as file:
        discard(file.fileno(), stop.readable, time.monotonic() + 60)
        assert file.read() == b""


def test_discarding_ends_at_its_deadline_though_the_input_is_silent(stop: Stop) -> None:
    read_end, write_end = os.pipe()
    began = time.monotonic()
    discard(read_end, stop.readable, began + 0.1)
    assert 0.1 <= time.monotonic() - began < 5
    os.close(read_end)
    os.close(write_end)


def test_discarding_ends_at_its_deadline_though_the_input_never_does(stop: Stop) -> None:
    began = time.monotonic()
    with open("/dev/zero", "rb") as endless:  # noqa: PTH123 - a device
        discard(endless.fileno(), stop.readable, began + 0.1)
    assert 0.1 <= time.monotonic() - began < 5
