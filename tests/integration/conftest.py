"""The tap's command, ready to be started against the stand-in."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tap_oracle_txlog.oracle.settings import OracleSettings
from tap_oracle_txlog.oracle.source import OracleSource
from tests.integration.served import RealOracle, StandInDatabase
from tests.integration.tap_process import Ended, TapProcess
from tests.support.forking import ForkServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.integration.served import Served
    from tools.oracle_stand_in.server import StandIn


class Open(Protocol):
    def __call__(self, **config: Any) -> OracleSource: ...  # noqa: ANN401 - any setting


class RunTap(Protocol):
    def __call__(
        self,
        *options: str,
        state: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Ended: ...


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests on a real Oracle out where there is none; ``-m oracle`` says why."""
    if "ORACLE_TEST_DSN" in os.environ or config.option.markexpr:
        return
    real = [item for item in items if item.get_closest_marker("oracle")]
    config.hook.pytest_deselected(items=real)
    items[:] = [item for item in items if item not in real]


@pytest.fixture(scope="session")
def taps() -> Iterator[ForkServer]:
    """Starts the command in 50 ms: it has imported the tap and the driver already."""
    modules = ("tap_oracle_txlog.tap", "tap_oracle_txlog.oracle.source")
    server = ForkServer("tap_oracle_txlog.__main__", *modules)
    yield server
    server.close()


@pytest.fixture
def run_tap(taps: ForkServer, tmp_path: Path, oracle: StandIn) -> RunTap:
    """Run the command to its end, logged in at the stand-in."""

    def run(
        *options: str,
        state: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Ended:
        if state is not None:
            (tmp_path / "state.json").write_text(json.dumps(state), encoding="utf-8")
            options = (*options, "--state", "state.json")
        with TapProcess(taps, tmp_path, oracle.login | dict(config or {}), *options) as tap:
            return tap.end()

    return run


@pytest.fixture(params=["stand-in", pytest.param("real Oracle", marks=pytest.mark.oracle)])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    if request.param == "stand-in":
        yield StandInDatabase(request.getfixturevalue("oracle"))
    elif "ORACLE_TEST_DSN" in os.environ:
        with RealOracle() as database:
            yield database
    else:
        pytest.skip("no real Oracle: ORACLE_TEST_DSN is not set (see compose.yaml)")


@pytest.fixture
def open_served(served: Served) -> Iterator[Open]:
    """Connects to ``served`` with any other settings; closes at the end."""
    yield from _opening(served.login)


@pytest.fixture
def open_source(oracle: StandIn) -> Iterator[Open]:
    """Connects to the stand-in with any other settings; closes at the end."""
    yield from _opening(oracle.login)


def _opening(to: Mapping[str, Any]) -> Iterator[Open]:
    opened: list[OracleSource] = []

    def connect(**config: Any) -> OracleSource:  # noqa: ANN401 - any setting
        opened.append(OracleSource(OracleSettings.from_config({**to, **config})))
        return opened[-1]

    yield connect
    for source in opened:
        source.close()
