"""What is logged about a stream: few lines, each once.

A warning says where a promise gets weaker.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_nats_jetstream.publisher.recall import reads_back

if TYPE_CHECKING:
    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo
    from target_nats_jetstream.publisher.modes.choice import ModeChoice
    from target_nats_jetstream.publisher.settings import NatsSettings

RESTART_SECONDS = 30.0
"""What the restart of a killed job may take, beside a checkpoint interval."""

logger = logging.getLogger(__name__)


def log_mode(asked: str, choice: ModeChoice, info: StreamInfo) -> None:
    """Where the messages go and in which mode; also when the mode changes."""
    logger.log(
        logging.INFO if asked in {"auto", choice.mode} else logging.WARNING,
        "publishing to %s at %s (%s, R%d, duplicates %s) in mode %s: %s",
        info.stream,
        info.server,
        info.storage,
        info.replicas,
        format_duration(info.duplicate_window),
        choice.mode,
        choice.why,
        extra={"mode": choice.mode, "stream": info.stream},
    )
    if choice.mode == "window" and not info.window_keeps_order:
        logger.warning(
            "mode window may change the order in stream %s when its leader changes or it is full; "
            "modes fast and atomic do not (allow_batched, allow_atomic on the stream)",
            info.stream,
        )


def warn_of_duplicates(settings: NatsSettings, info: StreamInfo) -> None:
    """A window too short for a restart, or a stream whose past cannot be read back."""
    if text := unrecognised(settings, info):
        logger.warning("stream %s: %s", info.stream, text)


def restart_seconds(settings: NatsSettings) -> float:
    """How long before a restart what it sends again may have been stored."""
    return settings.checkpoint_seconds + RESTART_SECONDS


def unrecognised(settings: NatsSettings, info: StreamInfo) -> str:
    """Which messages that are sent again may be stored again; empty for none."""
    window, needed = info.duplicate_window, restart_seconds(settings)
    if window < needed:
        beyond = (
            "by reading back the newest messages" if reads_back(settings, info) else "not at all"
        )
        return (
            f"the duplicate window is {format_duration(window)}, but a restart may need "
            f"{format_duration(needed)}; older duplicates are detected {beyond}"
        )
    if not settings.tail or info.keeps_what_is_read:
        return ""
    removes = f"it removes what was consumed ({info.retention})"
    why = "it stores messages under other subjects" if info.transformed else removes
    window_text = format_duration(window)
    return f"{why}: records resent after its duplicate window of {window_text} are stored again"


def format_duration(seconds: float) -> str:
    """A duration for people: ``0.3 s``, ``45 s``, ``5 min``."""
    if seconds >= 120:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.3g} s"
