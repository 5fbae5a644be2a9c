"""A doctor's report as tests read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_nats_jetstream.diagnosis import Finding, Report
from target_nats_jetstream.doctor.examination import examine
from target_nats_jetstream.settings import AllSettings

if TYPE_CHECKING:
    from tools.servers.nats import NatsServer

PROGRAM = "PIPELINE"
#: A stream that leaves nothing to be wished for.
FIT = {"allow_atomic": True, "allow_batched": True, "duplicate_window": 120 * 10**9}


def report(**config: object) -> Report:
    """What the doctor says about these settings."""
    return Report(list(examine(AllSettings.from_config({"program_name": PROGRAM, **config}))))


def wrong(found: Report) -> dict[tuple[str, str], Finding]:
    """All that is not in order, by its place."""
    lines = [line for line in found.lines if line.finding.status != "ok"]
    named = {(line.group, line.check): line.finding for line in lines}
    assert len(named) == len(lines), lines
    assert all(finding.remedy for finding in named.values())
    return named


def only(found: Report, group: str, check: str, status: str, text: str) -> Finding:
    """The one thing that is not in order; there must be nothing else."""
    named = wrong(found)
    assert list(named) == [(group, check)], named
    finding = named[group, check]
    assert finding.status == status
    assert text in finding.text, finding
    return finding


def stream_for(server: NatsServer, name: str, **config: object) -> dict[str, Any]:
    """Settings for a stream of that name, which is made; ``config`` is what is special in it."""
    subject = f"{name}.events"
    made: dict[str, Any] = {"subjects": [f"{name}.>"], **FIT, **config}
    server.add_stream(name, **made)
    return {"servers": server.url, "stream": name, "subject": subject}
