"""What a stream asks of the loops that read a table, and what it gets from them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from tap_oracle_txlog.rules.timestamps import from_datetime
from tap_oracle_txlog.rules.watermark import MEASURED_WITHIN_SECONDS, choose_watermark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.row import Row
    from tap_oracle_txlog.rules.parts import HowFar
    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.rules.watermark import LastPass, Strategy, Watermark
    from tap_oracle_txlog.source import Source

NullKey = Literal["warn", "fail", "emit"]
_HowFar_co = TypeVar("_HowFar_co", bound="HowFar", covariant=True)


@dataclass(frozen=True, slots=True)
class ExtractionSettings:
    """How a table is read; times in seconds, sizes in rows, 0 for "no limit"."""

    page_size: int
    max_records: int
    strategy: Strategy
    lookback: float
    skew: float
    null_key: NullKey
    poll_interval: float


class Emission(NamedTuple, Generic[_HowFar_co]):
    """New rows, and what is out once they are; ``ends_pass`` when all that was visible is."""

    rows: Sequence[Row]
    progress: _HowFar_co
    ends_pass: bool = False


class Pause(NamedTuple):
    """Others may read for so many seconds: all is out that was visible, or a long pass goes on."""

    seconds: float


class Reading(Protocol):
    """What reads a table for a stream, pass by pass: ``Extraction`` its events, ``CaseExtraction``
    its cases.
    """

    emitted: int
    """Rows of this run."""
    watermark: Watermark | None
    """That of the newest pass."""

    @property
    def late(self) -> int:
        """Rows of this run that an earlier pass could not see although their time was before it."""
        ...

    @property
    def is_capped(self) -> bool:
        """Whether the run has had all the rows that it may have."""
        ...

    @property
    def window(self) -> float:
        """By how many seconds what is complete is behind what holds the watermark."""
        ...

    @property
    def key_zone(self) -> ZoneInfo | None:
        """As ``Source.key_zone``; connects when there is no connection yet."""
        ...

    def emissions(
        self,
        progress: Any,  # noqa: ANN401 - what it has made itself
        *,
        until: Instant | None = None,
    ) -> Iterator[Emission[Any] | Pause]:
        """Read on from ``progress``; before ``until`` where there is one.

        Raises:
            TapError: The source refuses, or is away for longer than the waits last.
        """
        ...

    def close(self) -> None:
        """Release the connections."""
        ...


def read_watermark(
    source: Source,
    settings: ExtractionSettings,
    last: LastPass | None = None,
    timer: Callable[[], float] = time.monotonic,
) -> Watermark:
    """The watermark of a pass that starts now; raises as ``Source`` and ``choose_watermark``.

    Args:
        source: What is going to be read.
        settings: How.
        last: What the pass before went by.
        timer: Seconds, from any moment on.
    """
    begun = timer()
    clock, other = source.clock(), from_datetime(datetime.now(UTC))
    took = timer() - begun
    return choose_watermark(
        clock,
        source.open_transactions(),
        strategy=settings.strategy,
        lookback=settings.lookback,
        skew=settings.skew,
        zone=source.key_zone,
        last=last,
        other_clock=other if took <= MEASURED_WITHIN_SECONDS else None,
    )
