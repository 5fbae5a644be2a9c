"""Which mode to publish in: the fastest one that keeps the order. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from target_nats_jetstream.publisher.jetstream.stream_info import ATOMIC_SINCE, FAST_SINCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo


@dataclass(frozen=True, slots=True)
class ModeChoice:
    """How to publish, and why so."""

    mode: str
    why: str


def choose_mode(
    asked: str,
    info: StreamInfo,
    refused: Mapping[str, str] = MappingProxyType({}),
    why_atomic: str = "",
) -> ModeChoice:
    """The fastest mode that keeps the order.

    Args:
        asked: The setting; nothing faster is chosen.
        info: What stream and server allow.
        refused: Modes that did not do, and why.
        why_atomic: Why atomic batches suit the stream better than fast ones; empty where they do
            not. It counts for ``auto`` only.
    """
    if asked in {"window", "sync"}:
        return ModeChoice(asked, "as set")
    missing: list[str] = []
    for mode in _batch_modes(asked, info, why_atomic):
        if not (why := _unavailable(mode, info, refused)):
            suits = why_atomic if mode == "atomic" else ""
            return ModeChoice(mode, "; ".join(missing) or suits or "stream and server allow it")
        missing.append(why)
    why = "; ".join(missing)
    if info.window_keeps_order:
        return ModeChoice("window", why)
    return ModeChoice(
        "sync", f"{why}; and only one message in flight keeps the order on this stream"
    )


def _batch_modes(asked: str, info: StreamInfo, why_atomic: str) -> Sequence[str]:
    """The modes with batches that may be tried, the best one first."""
    if asked == "atomic":
        return ("atomic",)
    if asked == "auto" and (why_atomic or info.replicas > 1):  # a batch is replicated as one
        return ("atomic", "fast")
    return ("fast", "atomic")


def _unavailable(mode: str, info: StreamInfo, refused: Mapping[str, str]) -> str:
    """Why ``mode`` cannot be used; empty where it can."""
    since, setting, allowed = {
        "fast": (FAST_SINCE, "allow_batched", info.allow_batched),
        "atomic": (ATOMIC_SINCE, "allow_atomic", info.allow_atomic),
    }[mode]
    if mode in refused:
        return f"mode {mode} was abandoned: {refused[mode]}"
    if info.version < since:
        return f"mode {mode} needs nats-server {'.'.join(map(str, since))}"
    if not allowed:
        return f"mode {mode} needs {setting} on the stream"
    if mode == "fast" and not (info.keeps_what_is_read and info.keeps_a_batch):
        return f"mode {mode} needs a stream that keeps messages for a while, under their subjects"
    return ""


def singly_mode(info: StreamInfo) -> str:
    """How to send the messages of a refused batch: not as a batch, and in order."""
    return "window" if info.window_keeps_order else "sync"
