"""What a comparison asks: the stream for its messages, and the ledger how far it is complete."""

from __future__ import annotations

from contextlib import aclosing, closing
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from target_nats_jetstream import completed
from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.identity import masked
from target_nats_jetstream.publisher.inspection import ask
from target_nats_jetstream.publisher.jetstream.lifetime import EpochEnded
from target_nats_jetstream.publisher.jetstream.read_back import read_after
from target_nats_jetstream.publisher.jetstream.stream import read_stream_info
from target_nats_jetstream.verify.entries import digest_of
from target_nats_jetstream.verify.values import normal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_nats_jetstream.ledger.row import LedgerRow
    from target_nats_jetstream.ledger.settings import LedgerSettings
    from target_nats_jetstream.publisher.jetstream.epoch import Epoch
    from target_nats_jetstream.publisher.jetstream.stored import Stored
    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo
    from target_nats_jetstream.publisher.settings import NatsSettings


class Completeness(NamedTuple):
    """Before which time all rows are in the stream, as far as the ledger knows.

    Args:
        streams: By Singer stream, as ids begin with it.
        others: Of those that are not named; None where that is not known.
    """

    streams: dict[str, str]
    others: str | None = None


def stream_info(settings: NatsSettings) -> StreamInfo:
    """The stream that is compared.

    Raises:
        ConfigurationError: It is not there, or its messages cannot be read.
        TargetError: NATS cannot be reached or refuses.
    """
    return ask(settings, partial(_info, stream=settings.stream))


async def _info(epoch: Epoch, *, stream: str) -> StreamInfo:
    try:
        info = await read_stream_info(epoch, stream)
    except EpochEnded as ended:
        if not ended.is_not_found:
            raise
        reason = f"there is no stream {stream} to compare with"
        raise ConfigurationError(reason, "Check `stream` and `servers`") from ended
    if not info.keeps_what_is_read:
        reason = f"stream {stream} does not keep its messages as they were sent"
        remedy = "Compare a stream with the retention `limits` and without `subject_transform`"
        raise ConfigurationError(reason, remedy)
    return info


def read_messages(
    settings: NatsSettings,
    begin: Callable[[StreamInfo], None],
    take: Callable[[Sequence[Stored]], None],
    *,
    payloads: bool,
) -> None:
    """Read the stream once, from its first message to its last.

    Args:
        settings: Where it is.
        begin: Called first, with what the server says of the stream by then.
        take: Called with a part of the messages at a time.
        payloads: Whether payloads are read as well.

    Raises:
        TargetError: NATS cannot be reached or refuses.
    """

    async def read(epoch: Epoch) -> None:
        begin(info := await read_stream_info(epoch, settings.stream))
        subjects, made_by = settings.stream_subjects, digest_of if payloads else None
        found = read_after(epoch, info, subjects, 0, digest_of=made_by)
        async with aclosing(found) as chunks:  # a signal leaves it early
            async for chunk in chunks:
                take(chunk)

    ask(settings, read)


def completeness(settings: LedgerSettings) -> Completeness:
    """Up to when the pipeline is complete; nothing where there is no ledger, or no row in it.

    Raises:
        TargetError: The ledger cannot be read.
    """
    if not settings.enabled:
        return Completeness({})
    from target_nats_jetstream.ledger.view import LedgerView  # noqa: PLC0415 - loads a client

    with closing(LedgerView(settings)) as ledger:
        (standing,) = ledger.standings()
    return _of_row(standing.rows[0]) if standing.rows else Completeness({})


def _of_row(row: LedgerRow) -> Completeness:
    times, last = complete_times(row.state), row.last_successful_time
    return Completeness(times, None if last is None or times else last.isoformat())


def complete_times(state: Mapping[str, object]) -> dict[str, str]:
    """By Singer stream, as ids begin with it, up to when it is complete as a STATE says."""
    times = completed.complete_times(state)
    return {masked(name): normal(at) for name, at in times.items() if at is not None}
