"""The metrics for an OpenTelemetry collector: the same instruments, sent by OpenTelemetry's SDK.

Where to and how often, the standard ``OTEL_*`` variables say, which the SDK reads itself.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from typing_extensions import override

from target_nats_jetstream.errors import call_stack
from target_nats_jetstream.metrics.instruments import INSTRUMENTS, PIPELINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.metrics import CallbackOptions
    from opentelemetry.sdk.metrics.export import MetricsData

    from target_nats_jetstream.metrics.instruments import Instrument
    from target_nats_jetstream.metrics.monitor import Monitor

#: How long the end of a run waits for the last metrics to be sent (seconds).
LAST_SECONDS = 2.0

logger = logging.getLogger(__name__)


class Otlp:
    """Sends at an interval (``OTEL_METRIC_EXPORT_INTERVAL``) and at the end, in a thread of the
    SDK's.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._provider: MeterProvider | None = None

    def start(self) -> None:
        """Begin; where a variable cannot be used, say so and send nothing."""
        _silence_libraries()
        try:
            self._provider = _provider()
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            logger.debug("where it happened: %s", call_stack(error))
            logger.warning("no metrics are sent: one of the OTEL_ variables cannot be used")
            return
        meter = self._provider.get_meter("target_nats_jetstream")
        for instrument in INSTRUMENTS:
            is_counter = instrument.kind == "counter"
            make = meter.create_observable_counter if is_counter else meter.create_observable_gauge
            make(
                instrument.name,
                callbacks=[partial(self._observations, instrument)],
                unit=instrument.unit,
                description=instrument.help,
            )

    def _observations(self, wanted: Instrument, _: CallbackOptions) -> Iterator[Observation]:
        for instrument, samples in self._monitor.measures():
            for value, number in samples.items() if instrument is wanted else ():
                own = {instrument.label: value} if instrument.label is not None else {}
                yield Observation(number, {PIPELINE: self._monitor.pipeline, **own})

    def update(self) -> None:
        """Nothing: the SDK has an interval of its own."""

    def close(self) -> None:
        """Send the last ones, if that does not take long."""
        if self._provider is not None:
            with suppress(Exception):  # the SDK raises nothing more precise
                self._provider.shutdown(timeout_millis=LAST_SECONDS * 1000)
            self._provider = None


class _Exporter(OTLPMetricExporter):
    """Says once, in our words, that metrics do not arrive."""

    def __init__(self) -> None:
        super().__init__()
        self._untold = threading.Semaphore()
        self._sending = False

    @override
    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        self._sending = True
        try:
            result = super().export(metrics_data, timeout_millis, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever a transport raises ends no run
            logger.debug("where it happened: %s", call_stack(error))
            result = MetricExportResult.FAILURE
        self._sending = False
        if result is not MetricExportResult.SUCCESS:
            self._tell()
        return result

    @override
    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Give up what is still being tried."""
        if self._sending:
            self._tell()
        super().shutdown(timeout_millis, **kwargs)

    def _tell(self) -> None:
        if self._untold.acquire(blocking=False):
            logger.warning("cannot send metrics to OTEL_EXPORTER_OTLP_ENDPOINT. The run goes on")


def _provider() -> MeterProvider:
    resource = Resource.create({SERVICE_NAME: "target-nats-jetstream"})
    return MeterProvider(
        [PeriodicExportingMetricReader(_Exporter())],
        resource.merge(OTELResourceDetector().detect()),  # OTEL_SERVICE_NAME wins
        shutdown_on_exit=False,
    )


def _silence_libraries() -> None:
    """Their lines hold the address, and with it whatever secret is in it."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
    logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)
