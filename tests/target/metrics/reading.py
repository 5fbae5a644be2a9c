"""Metrics as Prometheus reads them: by the parser of its own client library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from target_nats_jetstream.metrics.instruments import INSTRUMENTS

if TYPE_CHECKING:
    from prometheus_client import Metric

KINDS = {one.name: one.kind for one in INSTRUMENTS}


def families(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


def samples(text: str, pipeline: str = "PIPELINE") -> dict[str, float]:
    """The values by name, or by ``name{label}`` of a second label's value; all are checked."""
    found: dict[str, float] = {}
    for family in families(text):
        for sample in family.samples:
            assert KINDS[sample.name] == family.type, sample
            labels = dict(sample.labels)
            assert labels.pop("pipeline") == pipeline
            (value,) = labels.values() or ("",)
            name = f"{sample.name}{{{value}}}" if value else sample.name
            assert name not in found
            found[name] = sample.value
    return found
