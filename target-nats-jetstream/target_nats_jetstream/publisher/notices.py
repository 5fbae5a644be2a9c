"""What an operator is told about a stream: few lines, each once.

A warning says where a promise gets weaker.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_nats_jetstream.publisher.facts import ModeChoice, StreamFacts
    from target_nats_jetstream.publisher.settings import NatsSettings

RESTART_SECONDS = 30.0
"""What the restart of a killed job may take, beside a checkpoint interval."""

logger = logging.getLogger(__name__)


def tell_mode(asked: str, choice: ModeChoice, facts: StreamFacts) -> None:
    """Where the messages go and in which mode; also when the mode changes."""
    logger.log(
        logging.INFO if asked in {"auto", choice.mode} else logging.WARNING,
        "publishing to %s at %s (%s, R%d, duplicates %s) in mode %s: %s",
        facts.stream,
        facts.server,
        facts.storage,
        facts.replicas,
        span(facts.duplicate_window),
        choice.mode,
        choice.why,
        extra={"mode": choice.mode, "stream": facts.stream},
    )
    if choice.mode == "window" and not facts.window_keeps_order:
        logger.warning(
            "mode window may change the order in stream %s when its leader changes or it is full; "
            "modes fast and atomic do not (allow_batched, allow_atomic on the stream)",
            facts.stream,
        )


def warn_of_duplicates(settings: NatsSettings, facts: StreamFacts) -> None:
    """A window too short for a restart, or a stream whose past cannot be read back."""
    needed = settings.checkpoint_seconds + RESTART_SECONDS
    beyond = "by reading back the newest messages" if reads_back(settings, facts) else "not at all"
    if facts.duplicate_window < needed:
        logger.warning(
            "stream %s recognises duplicates for %s, a restart may need %s: "
            "what is sent again later is recognised %s",
            facts.stream,
            span(facts.duplicate_window),
            span(needed),
            beyond,
        )
    elif settings.tail and not facts.keeps_what_is_read:
        removes = f"removes what was consumed ({facts.retention})"
        logger.warning(
            "stream %s %s: what is sent again after its duplicate window of %s is stored again",
            facts.stream,
            "stores messages under other subjects" if facts.transformed else removes,
            span(facts.duplicate_window),
        )


def reads_back(settings: NatsSettings, facts: StreamFacts) -> bool:
    """Whether the ids of stored messages are read back: where they can be, and are wanted."""
    return settings.tail > 0 and facts.keeps_what_is_read


def span(seconds: float) -> str:
    """A duration for people: ``0.3 s``, ``45 s``, ``5 min``."""
    if seconds >= 120:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.3g} s"
