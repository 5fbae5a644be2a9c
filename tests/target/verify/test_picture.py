"""The picture of a comparison."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from target_nats_jetstream.verify.picture import HEIGHT, LEAST, WIDTH, Bar, page

bars = st.lists(st.builds(Bar, st.text("ab<>&\"' 1:"), st.integers(0, 10**9), st.booleans()))


@given(bars)
def test_each_bucket_is_a_bar_within_the_picture(bars: list[Bar]) -> None:
    (drawn,) = re.findall(r"<svg.*</svg>", page("a < b", ["<x>"], bars), re.DOTALL)
    rects = list(ET.fromstring(drawn))  # noqa: S314 - our own
    assert len(rects) == len(bars)
    for bar, rect in zip(bars, rects, strict=True):
        assert (rect.get("class") == "differs") == bar.differs
        assert rect[0].text == f"{bar.label}: {bar.size:,}"
        x, y, width, height = (float(rect.get(name, "")) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + width <= WIDTH + 0.1
        assert abs(y + height - HEIGHT) < 0.2
        assert (height >= LEAST) == bool(bar.size or bar.differs)
