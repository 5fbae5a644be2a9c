"""Permission violations: which subject it was, and what the operator has to allow.

nats-server reports them apart from any answer, and nats-py tells its error callback alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from target_nats_jetstream.errors import AccessDeniedError
from target_nats_jetstream.publisher.failures import Forbidden, Lost

if TYPE_CHECKING:
    from target_nats_jetstream.publisher.settings import NatsSettings

_VIOLATION = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"')


class Permissions:
    """What the server may forbid on one connection."""

    def __init__(self, settings: NatsSettings) -> None:
        self._settings = settings
        self._tolerated: set[str] = set()
        self.spellings: set[str] = set()
        """Subjects as we write them: the client reports violations in lower case only."""

    def tolerate(self, subject: str) -> None:
        """Go on where the server forbids to publish to ``subject``."""
        self._tolerated.add(subject.lower())

    def failure(self, report: str) -> Lost | Forbidden | None:
        """What a report of the client means; None where it is tolerated."""
        found = _VIOLATION.search(report)
        if not found:
            return Lost(report)
        if found[2] in self._tolerated:
            return None
        return Forbidden(self._denied(found[1], found[2]))

    def _denied(self, operation: str, lowered: str) -> AccessDeniedError:
        settings = self._settings
        subject = next((name for name in self.spellings if name.lower() == lowered), lowered)
        whom = f" for user {settings.user}" if settings.user else ""
        if operation == "subscription":
            remedy = f"Allow subscribing to `{settings.inbox_prefix}.>`, or set `inbox_prefix`"
        else:
            ours = (*settings.stream_subjects, f"{settings.api_prefix}.>")
            remedy = f"Allow publishing to {' and '.join(f'`{name}`' for name in ours)}"
        return AccessDeniedError(f"NATS refuses {operation} to {subject}{whom}", remedy)
