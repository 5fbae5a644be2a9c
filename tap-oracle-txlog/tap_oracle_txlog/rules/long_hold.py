"""Says when a transaction holds the bookmark back for long: each pass then reads all of it again.

The time is that of the watermark, which comes from the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_oracle_txlog.rules.durations import format_duration

if TYPE_CHECKING:
    from tap_oracle_txlog.rules.watermark import Watermark

EVERY_SECONDS: Final = 3600


class LongHold:
    """Remembers who holds the bookmark, and for which hour that was said."""

    def __init__(self) -> None:
        self._holder = ""
        self._said = 0

    def warning(self, watermark: Watermark, window: float) -> str:
        """What to say of this watermark; empty for nothing.

        Args:
            watermark: That of a pass that begins.
            window: Seconds by which it is behind what holds it (look-back and skew).
        """
        held = watermark.lag - window
        hours = int(held // EVERY_SECONDS)
        if watermark.held_by != self._holder:
            self._holder, self._said = watermark.held_by, 0
        if watermark.strategy != "watermark" or hours <= self._said:
            return ""
        self._said = hours
        return (
            f"a transaction has held the bookmark back for {format_duration(held)} "
            f"({watermark.held_by}); each pass reads all rows since then again. Ask its owner to "
            "end it"
        )
