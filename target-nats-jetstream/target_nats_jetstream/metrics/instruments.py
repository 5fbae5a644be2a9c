"""The metrics: their names, what they mean, and how they follow from the figures of a run. Pure.

Counters count from the beginning of the run. What is not known has no sample: a time that nobody
has told is left out rather than 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

from target_nats_jetstream.publisher.limits import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_nats_jetstream.metrics.passes import Passes
    from target_nats_jetstream.publisher.outstanding import PublishCounts

PIPELINE: Final = "pipeline"


class Instrument(NamedTuple):
    """One metric; its samples are labelled with the pipeline, and with ``label`` if there is one.

    ``unit`` is empty where things are counted.
    """

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    label: str | None = None
    unit: Literal["", "s"] = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels."""
        return (PIPELINE,) if self.label is None else (PIPELINE, self.label)


PUBLISHED = Instrument(
    "txlog_messages_published_total", "counter", "Messages that this run has stored."
)
KNOWN = Instrument(
    "txlog_messages_known_total",
    "counter",
    "Messages that were stored before, by who recognised them: the server's duplicate window or "
    "the tail of the stream that was read back.",
    "by",
)
DEAD_LETTERS = Instrument(
    "txlog_dead_letters_total", "counter", "Messages that were set aside.", "reason"
)
OUTAGES = Instrument("txlog_outages_total", "counter", "Connections to NATS that were lost.")
CHECKPOINT = Instrument(
    "txlog_checkpoint_timestamp_seconds", "gauge", "When the last STATE was passed on.", unit="s"
)
COMPLETE = Instrument(
    "txlog_complete_up_to_timestamp_seconds",
    "gauge",
    "The time up to which all rows are in the stream; of several streams, that of the slowest.",
    unit="s",
)
WATERMARK_LAG = Instrument(
    "txlog_watermark_lag_seconds",
    "gauge",
    "How far the tap's watermark is behind the database's clock, by what holds it: the clock (less "
    "look-back and skew) or an open transaction; of several tables, the furthest.",
    "held_by",
    "s",
)
WINDOW = Instrument(
    "txlog_window_seconds", "gauge", "The tap's look-back and clock skew together.", unit="s"
)
LATE_ROWS = Instrument(
    "txlog_late_rows_total",
    "counter",
    "Rows that an earlier pass could not see although their time was before it.",
)
LATE_SECONDS = Instrument(
    "txlog_late_seconds_max", "gauge", "By how much the latest of these rows was late.", unit="s"
)
LATE_MARGIN = Instrument(
    "txlog_late_margin_seconds_min",
    "gauge",
    "How far the row that came nearest to it was from being missed.",
    unit="s",
)
SUCCESS = Instrument(
    "txlog_run_success",
    "gauge",
    "Whether the run has ended well: 1 or 0; absent while it goes on.",
)

INSTRUMENTS: Final = (
    *(PUBLISHED, KNOWN, DEAD_LETTERS, OUTAGES, CHECKPOINT, COMPLETE),
    *(WATERMARK_LAG, WINDOW, LATE_ROWS, LATE_SECONDS, LATE_MARGIN, SUCCESS),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """How a run stands at one moment; ``checkpoint_at`` in seconds since 1970.

    ``success`` is None while the run goes on.
    """

    counts: PublishCounts
    passes: Passes
    checkpoint_at: float | None
    success: bool | None


class Measure(NamedTuple):
    """An instrument and its samples: by the value of its own label, which is empty without one."""

    instrument: Instrument
    samples: Mapping[str, float]


def measures(figures: Figures) -> Iterator[Measure]:
    """The instruments that have something to show."""
    counts, passes = figures.counts, figures.passes
    reasons = dict.fromkeys(get_args(Reason), 0) | counts.letters
    yield Measure(PUBLISHED, {"": counts.published})
    yield Measure(KNOWN, {"server": counts.known_to_server, "tail": counts.known_from_read_back})
    yield Measure(DEAD_LETTERS, reasons)
    yield Measure(OUTAGES, {"": counts.outages})
    if passes.late_rows is not None:
        yield Measure(LATE_ROWS, {"": passes.late_rows})
    if passes.lag is not None and passes.held_by:
        yield Measure(WATERMARK_LAG, {passes.held_by: passes.lag})
    known = {
        CHECKPOINT: figures.checkpoint_at,
        COMPLETE: passes.complete,
        WINDOW: passes.window,
        LATE_SECONDS: passes.late_seconds,
        LATE_MARGIN: passes.late_margin,
        SUCCESS: figures.success,
    }
    yield from (Measure(one, {"": float(to)}) for one, to in known.items() if to is not None)
