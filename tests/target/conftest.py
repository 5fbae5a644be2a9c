"""The target with a stream and a ledger of a test's own, on a real nats-server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.forking import ForkServer
from tests.support.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.servers.nats import NatsServer


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    server = ForkServer(
        "target_nats_jetstream.__main__",
        "target_nats_jetstream.target",
        "target_nats_jetstream.delivery",
        "target_nats_jetstream.publisher.publisher",
        "target_nats_jetstream.ledger.ledger",
        "target_nats_jetstream.metrics.file",
        "target_nats_jetstream.metrics.monitor",
        "pymysql",
        "sqlalchemy.dialects.sqlite",
    )
    yield server
    server.close()


@pytest.fixture
def target(tmp_path: Path, shared_nats: NatsServer, forks: ForkServer) -> Iterator[Target]:
    """With the healthy server that many tests share."""
    one = Target(tmp_path, shared_nats, forks)
    yield one
    one.close()


@pytest.fixture
def lone_target(tmp_path: Path, nats_server: NatsServer, forks: ForkServer) -> Iterator[Target]:
    """With a server that the test may kill and pause."""
    one = Target(tmp_path, nats_server, forks)
    yield one
    one.close()


@pytest.fixture
def command(tmp_path: Path, shared_nats: NatsServer) -> Iterator[Target]:
    """Started as people do; this costs the imports that forking saves."""
    one = Target(tmp_path, shared_nats)
    yield one
    one.close()
