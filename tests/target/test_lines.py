"""Lines are those of the input, however it is cut; one that is too long ends it."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_nats_jetstream.errors import DataError
from target_nats_jetstream.lines import CHUNK_BYTES, LineCutter

LIMIT = 10


def lines_of(lines: LineCutter, chunks: list[bytes]) -> list[bytes]:
    """What comes of ``chunks`` until a line is too long."""
    given_out: list[bytes] = []
    for chunk in chunks:
        given_out += lines.cut(chunk)
        if lines.is_too_long:
            return given_out
    return given_out + lines.rest()


@given(
    st.lists(st.binary(max_size=2 * LIMIT).map(lambda text: text.replace(b"\n", b" "))),
    st.lists(st.integers(0, 200)),
)
def test_all_lines_before_one_that_is_too_long_are_given(
    wanted: list[bytes], cuts: list[int]
) -> None:
    text = b"".join(line + b"\n" for line in wanted)
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    lines = LineCutter(LIMIT)
    found = lines_of(lines, [text[a:b] for a, b in pairwise(edges)])
    assert found == list(takewhile(lambda line: len(line) <= LIMIT, wanted))
    assert lines.is_too_long is (len(found) < len(wanted))


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("before", [b"", b"short\n"])
def test_a_line_of_the_limit_is_a_line_and_a_longer_one_is_none(before: bytes, end: bytes) -> None:
    fits = LineCutter(LIMIT)
    assert lines_of(fits, [before + b"x" * LIMIT + end])[-1] == b"x" * LIMIT
    fits.check("line 1")
    longer = LineCutter(LIMIT)
    assert lines_of(longer, [before + b"x" * (LIMIT + 1) + end]) == before.splitlines()
    with pytest.raises(DataError, match=r"^line 7 is longer than `max_line_bytes` \(10 bytes\)"):
        longer.check("line 7")


@pytest.mark.parametrize("size", [16, 4096, CHUNK_BYTES])
def test_what_is_held_of_a_line_without_an_end_is_bounded(size: int) -> None:
    """However small the pieces are in which it comes."""
    limit, chunk = 1 << 20, bytes(size)
    tracemalloc.start()
    try:
        lines = LineCutter(limit)
        while not lines.is_too_long:
            assert lines.cut(chunk) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * limit


def test_a_long_line_is_copied_as_often_as_a_short_one() -> None:
    """Joined with all that came before, each chunk would be copied with every later one."""
    size, chunk = 0, bytes(CHUNK_BYTES)
    lines = LineCutter(1 << 26)
    peaks: list[int] = []
    for _ in range(64):
        size += len(chunk)
        tracemalloc.start()
        lines.cut(chunk)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    copies = sum(peak > size // 2 for peak in peaks)
    assert copies < len(peaks) // 2
