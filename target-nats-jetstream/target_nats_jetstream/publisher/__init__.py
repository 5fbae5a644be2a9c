"""Messages in, JetStream out: each once, in the order in which they were submitted.

``Publisher`` is the face for a synchronous caller; everything else of this package runs in its
thread. The package knows nothing of Singer. Its names are imported when they are first used,
because the settings are wanted by ``--about`` as well, which must not wait for a client library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo
    from target_nats_jetstream.publisher.outstanding import PublishCounts
    from target_nats_jetstream.publisher.publisher import Publisher
    from target_nats_jetstream.publisher.replay import replay_dead_letters
    from target_nats_jetstream.publisher.settings import NatsSettings

__all__ = ["NatsSettings", "PublishCounts", "Publisher", "StreamInfo", "replay_dead_letters"]

_HOMES = {
    "NatsSettings": "settings",
    "PublishCounts": "outstanding",
    "Publisher": "publisher",
    "StreamInfo": "jetstream.stream_info",
    "replay_dead_letters": "replay",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
