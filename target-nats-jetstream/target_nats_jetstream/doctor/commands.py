"""The commands of the NATS CLI that fix what the doctor found. Pure."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_nats_jetstream.publisher.settings import NatsSettings


def create_stream(settings: NatsSettings, config: Mapping[str, Any]) -> str:
    """Create a stream of that configuration."""
    name = config["name"]
    file = shlex.quote(f"{name}.json")
    text = shlex.quote(json.dumps(config, ensure_ascii=False))
    return (
        f"echo {text} > {file} && {_nats(settings)} stream add {shlex.quote(name)} --config {file}"
    )


def edit_stream(settings: NatsSettings, option: str, *, stream: str = "") -> str:
    """Change one thing of a stream; the CLI shows the difference and asks."""
    words = ("stream", "edit", stream or settings.stream, option)
    return f"{_nats(settings)} {shlex.join(words)}"


def _nats(settings: NatsSettings) -> str:
    if settings.domain is None:
        return "nats"
    if "." in settings.domain:
        return f"nats --js-api-prefix={shlex.quote(settings.api_prefix)}"
    return f"nats --js-domain={shlex.quote(settings.domain)}"
