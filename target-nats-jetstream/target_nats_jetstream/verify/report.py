"""The outcome of a comparison in words, for people and for programs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from target_nats_jetstream.status.words import counted
from target_nats_jetstream.verify.comparison import Kind
from target_nats_jetstream.verify.picture import Bar
from target_nats_jetstream.verify.tally import DIFFERENT, shown_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_nats_jetstream.verify.comparison import Found
    from target_nats_jetstream.verify.tally import Bucket, Sum, Tally

_WORDS: Final[Mapping[Kind, str]] = {
    Kind.TWICE: "stored twice",
    Kind.ALTERED: "with other content",
    Kind.UNKNOWN: "not in the source",
}


class Repair(NamedTuple):
    """What became of the rows that the stream lacked."""

    sent: int
    known: int
    """The server did not store them, because it remembers their ids."""
    window: float = 0
    """For how long it does (seconds)."""


class Outcome(NamedTuple):
    """All that is to be said.

    Args:
        tally: What was compared.
        ends: By Singer stream, the time before which rows were compared.
        later: Rows that were not compared, as they are not before that.
        invalid: Records that cannot be published.
        repair: None where it was not asked for.
    """

    tally: Tally
    ends: Mapping[str, str]
    later: int
    invalid: int
    repair: Repair | None

    @property
    def is_equal(self) -> bool:
        """Whether source and stream are equal now."""
        left = sum(self.tally.count(kind) for kind in DIFFERENT)
        return left == (self.repair.sent if self.repair else 0)

    @property
    def summary(self) -> str:
        """The last line."""
        tally = self.tally
        if not tally.rows + tally.messages:
            return "verify: nothing to compare"
        different = sum(1 for _ in tally.different())
        verdict = "equal"
        if different:
            verdict = f"{counted(different, 'bucket')} differ{'' if different > 1 else 's'}"
        if different and self.is_equal:
            verdict = "equal after the repair"
        counts = f"{counted(len(tally), 'bucket')}, {counted(tally.rows, 'row')}"
        return f"verify: {counts}, {counted(tally.messages, 'message')}: {verdict}"

    @property
    def lines(self) -> Iterator[str]:
        """All before it."""
        different = list(self.tally.different())
        is_one = len({at.stream for at, _ in different}) < 2
        for at, found in different:
            yield f"{_label(at, is_one=is_one)}: {'; '.join(_differences(found))}"
        if expired := self.tally.count(Kind.EXPIRED):
            yield f"{counted(expired, 'row')} from before the oldest messages: expired"
        if self.later:
            ends = ", ".join(f"{stream}: {end}" for stream, end in self.ends.items())
            later = counted(self.later, "row")
            yield f"{later} not compared: the pipeline is complete up to {ends}"
        if self.invalid:
            yield f"{counted(self.invalid, 'record')} not compared: cannot be published"
        if self.repair is not None:
            yield from _of_repair(self.repair)

    @property
    def bars(self) -> list[Bar]:
        """For the picture."""
        return [
            Bar(f"{at.stream} {at.label}", max(found.rows, found.messages), found.differs)
            for at, found in self.tally.buckets()
        ]

    @property
    def result(self) -> dict[str, Any]:
        """For programs."""
        tally = self.tally
        return {
            "buckets": len(tally),
            "rows": tally.rows,
            "messages": tally.messages,
            **{kind.value: tally.count(kind) for kind in (*DIFFERENT, Kind.EXPIRED)},
            "not_compared": self.later,
            "invalid": self.invalid,
            "complete_up_to": dict(self.ends),
            "repaired": None if self.repair is None else self.repair.sent,
            "different": [_bucket(at, found) for at, found in tally.different()],
        }


def _label(at: Bucket, *, is_one: bool) -> str:
    if not at.label:
        return at.stream or "ids"
    return at.label if is_one else f"{at.stream} {at.label}"


def _differences(found: Sum) -> Iterator[str]:
    for kind in DIFFERENT:
        if count := found.counts[kind]:
            keys = found.named(kind)
            more = ", …" if count > len(keys) else ""
            yield f"{_how_many(count, kind)}: {', '.join(keys)}{more}"


def _how_many(count: int, kind: Kind) -> str:
    if kind is Kind.MISSING:
        return f"{counted(count, 'row')} not in the stream"
    return f"{count:,} {_WORDS[kind]}"


def _of_repair(repair: Repair) -> Iterator[str]:
    yield f"repair: {counted(repair.sent, 'row')} sent"
    if repair.known:
        yield (
            f"repair: {counted(repair.known, 'row')} not stored: the server remembers the ids for "
            f"{repair.window:g} s. Repeat it after that"
        )


def _bucket(at: Bucket, found: Sum) -> dict[str, Any]:
    kinds = {kind.value: found.counts[kind] for kind in DIFFERENT}
    return {"stream": at.stream, "bucket": at.label, "rows": found.rows} | {
        "messages": found.messages,
        **kinds,
        "keys": {kind.value: found.named(kind) for kind in DIFFERENT if found.counts[kind]},
    }


def listed(found: Found) -> dict[str, Any]:
    """One difference, for the list of all of them."""
    one = found.one
    return {
        "finding": found.kind.value,
        "stream": one.stream,
        "key": shown_key(one),
        "value": one.value,
        "sequences": [copy.sequence for copy in found.copies],
    }
