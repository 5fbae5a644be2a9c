"""The pytest fixture ``oracle``: a plugin that ``tests/conftest.py`` names, imported by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools.oracle_stand_in.events import txlog_events
from tools.oracle_stand_in.server import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The driver leaves the socket of a connection that was reset to the garbage collector."""
    for item in items:
        if "oracle" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))


@pytest.fixture
def oracle() -> Iterator[StandIn]:
    """A running stand-in with an empty SPC.TXLOG_EVENTS, which understood all it was asked."""
    with StandIn() as stand_in:
        stand_in.database.create(txlog_events())
        yield stand_in
    assert stand_in.trouble == []
    assert stand_in.unmatched == []
