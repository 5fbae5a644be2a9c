"""The metrics as prometheus-client wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from target_nats_jetstream.metrics.monitor import Monitor

_FAMILIES = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}


class MonitorCollector(Collector):
    """Asks the monitor whenever it is asked itself."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    @override
    def collect(self) -> Iterator[Metric]:
        pipeline = self._monitor.pipeline
        for instrument, samples in self._monitor.measures():
            family = _FAMILIES[instrument.kind](
                instrument.name, instrument.help, labels=instrument.labels
            )
            for value, number in samples.items():
                family.add_metric([pipeline, value][: len(instrument.labels)], number)
            yield family


def registry_of(monitor: Monitor) -> CollectorRegistry:
    """A registry of these metrics alone: nothing of the process or of other libraries."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MonitorCollector(monitor))
    return registry
