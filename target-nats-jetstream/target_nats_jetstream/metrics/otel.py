"""Whether OpenTelemetry's environment variables ask for metrics. Pure.

They may be meant for another process of the same host, so what cannot be done is said and no error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

OTLP = "otlp"


class Wish(NamedTuple):
    """Whether metrics are to be sent, and why they are not although something asks for them."""

    is_wanted: bool
    why_not: str = ""


def wish(environment: Mapping[str, str]) -> Wish:
    """What the variables ask for; an empty one counts as not set, as OpenTelemetry has it."""
    exporters = [one.strip() for one in environment.get("OTEL_METRICS_EXPORTER", "").split(",")]
    named = {one.lower() for one in exporters if one}
    endpoint = _first(
        environment, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Wish(is_wanted=False)
    if named and OTLP not in named:
        why = "" if named == {"none"} else "of OTEL_METRICS_EXPORTER, the target knows otlp only"
        return Wish(is_wanted=False, why_not=why)
    if not named and not endpoint:
        return Wish(is_wanted=False)
    protocol = _first(
        environment, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
    )
    if protocol not in {"", "http/protobuf"}:
        why = "of OTEL_EXPORTER_OTLP_PROTOCOL, the target knows http/protobuf only"
        return Wish(is_wanted=False, why_not=why)
    return Wish(is_wanted=True)


def _first(environment: Mapping[str, str], *names: str) -> str:
    """The first that is set."""
    return next((found for name in names if (found := environment.get(name, "").strip())), "")
