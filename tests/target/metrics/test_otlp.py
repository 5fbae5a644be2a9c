"""OpenTelemetry gets the metrics that Prometheus gets, and can end no run."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from typing_extensions import override

from target_nats_jetstream.metrics.instruments import INSTRUMENTS
from target_nats_jetstream.metrics.otel import wish
from tests.support.target import pages, record, state
from tests.target.metrics.reading import samples
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.resource.v1.resource_pb2 import Resource

    from tests.support.target import Target

UNITS = {one.name: one.unit for one in INSTRUMENTS}
TOKEN = "PLANTED-TOKEN"


class Collector(ThreadingHTTPServer):
    """Takes what OTLP over HTTP brings, as a collector does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[ExportMetricsServiceRequest] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def resource(self) -> Resource:
        (of_resource,) = self.received[-1].resource_metrics
        found: Resource = of_resource.resource
        return found

    def samples(self) -> dict[str, float]:
        """What came last, as ``reading.samples``."""
        found = {}
        (of_resource,) = self.received[-1].resource_metrics
        for metric in of_resource.scope_metrics[0].metrics:
            assert metric.unit == UNITS[metric.name]
            is_counter = metric.WhichOneof("data") == "sum"
            for point in (metric.sum if is_counter else metric.gauge).data_points:
                labels = {one.key: one.value.string_value for one in point.attributes}
                assert labels.pop("pipeline") == "PIPELINE"
                (value,) = labels.values() or ("",)
                number = getattr(point, str(point.WhichOneof("value")))
                found[f"{metric.name}{{{value}}}" if value else metric.name] = number
        return found


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/metrics"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(ExportMetricsServiceRequest.FromString(body))
        answer = ExportMetricsServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_collector_gets_what_the_file_has(target: Target, collector: Collector) -> None:
    target.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
    file = target.home / "txlog.prom"
    misfit = record(ID=9_999, AT=None, DATA=17)
    target.config |= {"metrics_file": str(file), "on_error": "dead_letter"}
    assert target.run(*pages(1, 40, 10), misfit, state(40)).code == 0
    assert collector.samples() == samples(file.read_text())
    attributes = {one.key: one.value.string_value for one in collector.resource.attributes}
    assert attributes["service.name"] == "target-nats-jetstream"


def test_it_comes_at_an_interval_and_under_the_name_that_is_set(
    target: Target, collector: Collector
) -> None:
    target.env |= {
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{collector.url}/v1/metrics",
        "OTEL_METRIC_EXPORT_INTERVAL": "50",
        "OTEL_SERVICE_NAME": "cases",
    }
    running = target.start()
    running.feed(*pages(1, 10, 10))
    wait_until(
        lambda: (
            bool(collector.received) and collector.samples()["txlog_messages_published_total"] == 10
        )
    )
    assert "txlog_run_success" not in collector.samples()
    running.end_input()
    assert running.end().code == 0
    assert collector.samples()["txlog_run_success"] == 1
    attributes = {one.key: one.value.string_value for one in collector.resource.attributes}
    assert attributes["service.name"] == "cases"


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:1/{TOKEN}"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": f"{TOKEN}"},
        {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "-1"},
        {"OTEL_METRICS_EXPORTER": "prometheus"},
        {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
    ids=repr,
)
def test_what_cannot_be_sent_is_one_warning(target: Target, variables: dict[str, str]) -> None:
    target.env |= variables
    run = target.run(*pages(1, 50, 10), checkpoint_records=10, log_level="DEBUG")
    assert run.code == 0
    assert len(run.states) > 1
    assert len([line for line in run.logged("WARNING") if "OTEL_" in line]) == 1, run.log
    assert TOKEN not in run.log


@pytest.mark.parametrize(
    ("variables", "is_wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, True),
        ({"OTEL_METRICS_EXPORTER": "console, otlp"}, True),
        ({"OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
    ],
)
def test_the_standard_variables_decide(variables: dict[str, str], is_wanted: bool) -> None:
    assert wish(variables).is_wanted == is_wanted


def test_without_the_extra_a_run_says_so_and_goes_on(command: Target) -> None:
    """As where it was installed without: a finder stands before all others."""
    hidden = command.home / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import sys\n"
        "class Without:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'opentelemetry':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Without())\n"
    )
    command.env |= {"PYTHONPATH": str(hidden), "OTEL_METRICS_EXPORTER": "otlp"}
    run = command.run(*pages(1, 10, 10))
    assert run.code == 0
    assert any("target-nats-jetstream[otel]" in line for line in run.logged("INFO"))
