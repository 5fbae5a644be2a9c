"""The SDK's own tests of a target, each with a stream of its own on a real server; among them the
one that the SDK leaves out, because its own target cannot pass it.
"""

from __future__ import annotations

import secrets
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_sdk.testing import get_target_test_class, target_test_streams
from singer_sdk.testing.suites import SingerTestSuite
from singer_sdk.testing.target_tests import (
    TargetMultipleStateMessages,
    TargetRecordMissingKeyProperty,
)
from singer_sdk.testing.templates import TargetFileTestTemplate
from typing_extensions import override

from target_nats_jetstream.errors import DataError
from target_nats_jetstream.target import TargetNatsJetstream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

    from tools.servers.nats import NatsServer

#: Its expectation is what our rule gives when a STATE is due every four records.
CONFIG: dict[str, Any] = {"create_stream": "if_missing", "checkpoint_records": 4}


class CountedTarget(TargetNatsJetstream):
    """Knows its instances, so that a test can release what the SDK's runner leaves open."""

    made: ClassVar[list[CountedTarget]] = []

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the SDK's own arguments
        super().__init__(**arguments)
        self.made.append(self)

    def release(self) -> None:
        if self._assembly.made is not None:
            self._assembly.made.close()


class MultipleStateMessages(TargetMultipleStateMessages):
    """The runner parses what is printed, this test compares lines."""

    @override
    def test(self) -> None:
        self.runner._clean_sync_output = str.splitlines  # type: ignore[method-assign, assignment]
        super().test()


class RecordMissingKeyProperty(TargetRecordMissingKeyProperty):
    """The SDK's refusal shows the record's fields, ours names line, stream and key."""

    name = "record_missing_key_property_by_line"

    @property
    @override
    def singer_filepath(self) -> Traversable:
        return files(target_test_streams) / f"{TargetRecordMissingKeyProperty.name}.singer"

    @override
    def test(self) -> None:
        with pytest.raises(DataError, match=r"line 2 .* lacks the key property id"):
            TargetFileTestTemplate.test(self)


@pytest.fixture(autouse=True)
def _stream(shared_nats: NatsServer) -> Iterator[None]:
    """The SDK wants the config when this module is imported; the server is there in time."""
    name = f"S_{secrets.token_hex(4)}"
    CONFIG.update(servers=shared_nats.url, stream=name, subject=f"{name}.{{stream}}")
    yield
    while CountedTarget.made:
        CountedTarget.made.pop().release()


TestStandard = get_target_test_class(
    CountedTarget,
    config=CONFIG,
    custom_suites=[
        SingerTestSuite(kind="target", tests=[MultipleStateMessages, RecordMissingKeyProperty])
    ],
    parse_env_config=False,
)


delattr(TestStandard, "test_target_record_missing_key_property")  # ours takes its place


def test_the_suite_of_the_sdk_has_not_been_left_out() -> None:
    tests = [name for name in vars(TestStandard) if name.startswith("test_target_")]
    assert len(tests) >= 17
    assert "test_target_multiple_state_messages" in tests
