"""The outcome of comparing digests in words, for people and for programs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from target_nats_jetstream.status.words import counted
from target_nats_jetstream.verify.picture import Bar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_nats_jetstream.verify.digests import Bucket


class DigestOutcome(NamedTuple):
    """All that is to be said.

    Args:
        compared: The buckets that were compared, in their order.
        left_out: Those that were not: the pipeline has not come to their end, or the limits of the
            stream have removed rows of theirs.
    """

    compared: Sequence[Bucket]
    left_out: Sequence[Bucket]

    @property
    def is_equal(self) -> bool:
        """Whether all buckets are that were compared."""
        return not self._different

    @property
    def _different(self) -> Sequence[Bucket]:
        return [bucket for bucket in self.compared if not bucket.is_equal]

    @property
    def summary(self) -> str:
        """The last line."""
        if not self.compared:
            return "verify: nothing to compare"
        rows = sum(bucket.source.rows for bucket in self.compared)
        messages = sum(bucket.messages for bucket in self.compared)
        counts = f"{counted(len(self.compared), 'bucket')}, {counted(rows, 'row')}"
        different = len(self._different)
        verdict = f"{counted(different, 'bucket')} differ{'' if different > 1 else 's'}"
        summary = f"verify: {counts}, {counted(messages, 'message')}"
        return f"{summary}: {verdict if different else 'equal'}"

    @property
    def lines(self) -> Iterator[str]:
        """All before it."""
        is_one = len({bucket.source.stream for bucket in self._different}) < 2
        for bucket in self._different:
            of, rows = bucket.source, counted(bucket.source.rows, "row")
            name = "" if is_one else f"{of.stream} "
            messages = counted(bucket.messages, "message")
            yield f"{name}{short(of.since)} to {short(of.before)}: {rows}, {messages}"
        if self._different:
            first = short(min(bucket.source.since for bucket in self._different))
            last = short(max(bucket.source.before for bucket in self._different))
            yield f"To name the rows, compare rows instead of digests, --from {first} --to {last}"
        if left := sum(bucket.source.rows for bucket in self.left_out):
            rows = counted(left, "row")
            why = "the pipeline has not come to their end, or they have expired"
            yield f"{counted(len(self.left_out), 'bucket')} with {rows} not compared: {why}"

    @property
    def bars(self) -> list[Bar]:
        """For the picture."""
        return [
            Bar(
                f"{bucket.source.stream} {short(bucket.source.since)}",
                max(bucket.source.rows, bucket.messages),
                not bucket.is_equal,
            )
            for bucket in self.compared
        ]

    @property
    def result(self) -> dict[str, Any]:
        """For programs."""
        return {
            "buckets": len(self.compared),
            "rows": sum(bucket.source.rows for bucket in self.compared),
            "messages": sum(bucket.messages for bucket in self.compared),
            "not_compared": sum(bucket.source.rows for bucket in self.left_out),
            "different": [
                {
                    "stream": bucket.source.stream,
                    "since": bucket.source.since,
                    "before": bucket.source.before,
                    "rows": bucket.source.rows,
                    "messages": bucket.messages,
                }
                for bucket in self._different
            ],
        }


def short(time: str) -> str:
    """A time without the zeros at its end."""
    whole, dot, fraction = time.partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}{dot}{fraction}" if fraction else whole
