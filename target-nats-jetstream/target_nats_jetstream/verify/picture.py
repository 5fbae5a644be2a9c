"""The outcome of a comparison as a page to look at: one file, nothing is loaded. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH, HEIGHT, LEAST = 960, 240, 2
"""Of the picture, and the least height of a bar that has rows, in pixels."""
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem }}
pre {{ white-space: pre-wrap }}
svg {{ width: 100%; height: auto; border-bottom: 1px solid GrayText }}
rect {{ fill: #3b7dd8 }}
rect.differs {{ fill: #d43d2a }}
figcaption {{ display: flex; justify-content: space-between; color: GrayText }}
</style>
<h1>{title}</h1>
<figure>
<svg viewBox="0 0 {width} {height}" role="img" aria-label="{title}">
{bars}
</svg>
<figcaption><span>{first}</span><span>{last}</span></figcaption>
</figure>
<p>Each bar is a bucket, as high as it has rows. Red ones differ.</p>
<pre>{lines}</pre>
</html>
"""


class Bar(NamedTuple):
    """A bucket.

    Args:
        label: What it is.
        size: Its rows, or its messages if it has more of them.
        differs: Whether source and stream do.
    """

    label: str
    size: int
    differs: bool


def page(title: str, lines: Iterable[str], bars: Sequence[Bar]) -> str:
    """The page.

    Args:
        title: The verdict.
        lines: What else there is to say.
        bars: All buckets, in their order.
    """
    highest = max((bar.size for bar in bars), default=0) or 1
    step = WIDTH / max(len(bars), 1)
    drawn = (_rect(bar, number * step, step, highest) for number, bar in enumerate(bars))
    return _PAGE.format(
        title=escape(title),
        width=WIDTH,
        height=HEIGHT,
        bars="\n".join(drawn),
        first=escape(bars[0].label) if bars else "",
        last=escape(bars[-1].label) if bars else "",
        lines=escape("\n".join(lines)),
    )


def _rect(bar: Bar, x: float, step: float, highest: int) -> str:
    height = max(bar.size / highest * HEIGHT, LEAST) if bar.size or bar.differs else 0
    kind = ' class="differs"' if bar.differs else ""
    place = f'x="{x:.2f}" y="{HEIGHT - height:.1f}" width="{step * 0.9:.2f}" height="{height:.1f}"'
    return f"<rect{kind} {place}><title>{escape(bar.label)}: {bar.size:,}</title></rect>"
