"""Permission violations: which subject it was, and what the operator has to allow.

nats-server reports them apart from any answer, and nats-py tells its error callback alone.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from target_nats_jetstream.errors import AccessDeniedError
from target_nats_jetstream.publisher.failures import Forbidden, Lost
from target_nats_jetstream.publisher.rights import probes, right_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nats.aio.client import Client

    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo
    from target_nats_jetstream.publisher.settings import NatsSettings

#: A header that keeps every stream from taking an empty message for one of its own.
NO_STREAM = ("Nats-Expected-Stream", "none of them")
_VIOLATION = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"')


class Permissions:
    """What the server may forbid on one connection."""

    def __init__(self, settings: NatsSettings) -> None:
        self._settings = settings
        self._tolerated: set[str] = set()
        self._refused: set[str] | None = None  # collected only while subjects are tried
        self.spellings: set[str] = set()
        """Subjects as we write them: the client reports violations in lower case only."""

    def tolerate(self, subject: str) -> None:
        """Go on where the server forbids to publish to ``subject``."""
        self._tolerated.add(subject.lower())

    async def try_all(self, client: Client, info: StreamInfo) -> None:
        """Have the server report which rights are missing, before this returns."""
        for subject, payload in probes(self._settings, info):
            self.spellings.add(subject)
            await client.publish(subject, payload, headers=dict([NO_STREAM]))
        await _until_answered(client)

    async def refused(
        self, client: Client, subjects: Iterable[str], headers: dict[str, str]
    ) -> set[str]:
        """Those subjects, in lower case, that the server forbids to publish to; the epoch goes on.

        A server of a domain reports those of the API without the domain.

        Args:
            client: Connected.
            subjects: To be tried with an empty message.
            headers: Of that message.
        """
        refused: set[str] = set()
        self._refused = refused
        for subject in subjects:
            await client.publish(subject, headers=headers)
        await _until_answered(client)
        self._refused = None
        return refused

    def failure(self, report: str) -> Lost | Forbidden | None:
        """What a report of the client means; None where it is tolerated."""
        found = _VIOLATION.search(report)
        if not found:
            return Lost(report)
        if found[2] in self._tolerated:
            return None
        if self._refused is not None and found[1] == "publish":
            self._refused.add(found[2])
            return None
        return Forbidden(self._denied(found[1], found[2]))

    def _denied(self, operation: str, lowered: str) -> AccessDeniedError:
        settings = self._settings
        subject = next((name for name in self.spellings if name.lower() == lowered), lowered)
        whom = f" for user {settings.user}" if settings.user else ""
        if operation == "subscription":
            remedy = f"Allow subscribing to `{settings.inbox_prefix}.>`, or set `inbox_prefix`"
        else:
            right = right_for(settings, lowered) or subject
            remedy = f"Allow publishing to `{right}` (--print-nats-permissions shows all it needs)"
        return AccessDeniedError(f"NATS refuses {operation} to {subject}{whom}", remedy)


async def _until_answered(client: Client) -> None:
    """Return when the server has reported all that it has against what was published: nats-py's own
    ping goes out before what still waits to be sent.
    """
    while client.pending_data_size and client.is_connected:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    await client.flush()
