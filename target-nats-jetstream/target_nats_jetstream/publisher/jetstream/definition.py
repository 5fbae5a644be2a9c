"""The configuration of a new stream, be it made by the target or by an administrator. Pure."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from target_nats_jetstream.publisher.jetstream.stream_info import (
    ATOMIC_SINCE,
    FAST_SINCE,
    NANOSECONDS,
)
from target_nats_jetstream.publisher.jetstream.subjects import (
    dead_letter_stream,
    dead_letter_subjects,
    taken_by,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_nats_jetstream.publisher.settings import NatsSettings

DUPLICATE_WINDOW = 120 * NANOSECONDS
"""JetStream's own default. The server keeps every id of the window in memory, so a longer one is
paid for at every message; what lies further back is recognised by ``dedupe_tail``."""


def default_config(
    stream: str, subjects: Sequence[str], version: tuple[int, int, int]
) -> dict[str, Any]:
    """The configuration of a new stream, before the operator's own wishes."""
    config: dict[str, Any] = {
        "name": stream,
        "subjects": list(subjects),
        "storage": "file",
        "num_replicas": 1,
        "duplicate_window": DUPLICATE_WINDOW,
        "allow_direct": True,
    }
    if version >= ATOMIC_SINCE:
        config["allow_atomic"] = True
    if version >= FAST_SINCE:
        config["allow_batched"] = True
    return config


def wanted_config(settings: NatsSettings, version: tuple[int, int, int]) -> dict[str, Any]:
    """The configuration of the stream, with the operator's wishes."""
    ours = [taken_by(subject) for subject in settings.stream_subjects]
    subjects = settings.stream_config.get("subjects") or ours
    found = default_config(settings.stream, subjects, version)
    if settings.keeps_last:
        found["max_msgs_per_subject"] = 1
    return {**found, **settings.stream_config}


def letters_config(stream: str, version: tuple[int, int, int]) -> dict[str, Any]:
    """The configuration of the stream of the dead letters of ``stream``."""
    return default_config(dead_letter_stream(stream), [dead_letter_subjects(stream)], version)


def definitions(settings: NatsSettings) -> list[dict[str, Any]]:
    """The streams that the settings need, on a server that knows all that is used."""
    found = [wanted_config(settings, FAST_SINCE)]
    if settings.on_error == "dead_letter":
        found.append(letters_config(settings.stream, FAST_SINCE))
    return found


def as_command(config: dict[str, Any]) -> str:
    """The shell command that creates a stream with the NATS CLI."""
    name = shlex.quote(config["name"])
    file = shlex.quote(f"{config['name']}.json")
    text = json.dumps(config, indent=2, ensure_ascii=False)
    return f"cat > {file} <<'END'\n{text}\nEND\nnats stream add {name} --config {file}"
