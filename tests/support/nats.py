"""NATS servers for tests, each real and private to the test run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tools.servers.nats import NatsServer, cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def shared_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One healthy server for the tests that only need a stream of their own name in it."""
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A server of the test's own, to be killed and paused at will."""
    with NatsServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture
def make_nats(tmp_path: Path) -> Iterator[Callable[..., NatsServer]]:
    """Makes started servers, with the arguments of ``NatsServer``: ``make_nats(config=...)``."""
    servers: list[NatsServer] = []

    def make(**options: Any) -> NatsServer:  # noqa: ANN401 - those of NatsServer
        servers.append(NatsServer(tmp_path / f"nats{len(servers)}", **options))
        return servers[-1].start()

    yield make
    for server in servers:
        server.kill()


@pytest.fixture
def nats_cluster(tmp_path: Path) -> Iterator[list[NatsServer]]:
    """Three servers that take streams with three replicas."""
    with cluster(tmp_path) as servers:
        yield servers
