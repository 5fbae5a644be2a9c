"""A target as the SDK's template gives it: a batch sink that publishes by ``asyncio.gather``."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import nats
from singer_sdk import BatchSink, Target
from singer_sdk import typing as th
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence

GATHERED = 1000


class EventsSink(BatchSink):
    """Publishes a batch when it is full, and what is left at the end."""

    @override
    def setup(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = self._loop.run_until_complete(nats.connect(self.config["servers"]))
        self._js = self._client.jetstream(timeout=30)

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        records = context["records"]
        for start in range(0, len(records), GATHERED):
            self._loop.run_until_complete(self._publish(records[start : start + GATHERED]))

    async def _publish(self, records: Sequence[dict[str, Any]]) -> None:
        payloads = [json.dumps(record, default=str).encode() for record in records]
        subject = self.config["subject"]
        await asyncio.gather(*(self._js.publish(subject, payload) for payload in payloads))

    @override
    def clean_up(self) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.close()


class PlainTarget(Target):
    """The target."""

    name = "target-plain"
    default_sink_class = EventsSink
    config_jsonschema = th.PropertiesList(
        th.Property("servers", th.StringType, required=True),
        th.Property("subject", th.StringType, required=True),
    ).to_dict()


if __name__ == "__main__":
    PlainTarget.cli()
