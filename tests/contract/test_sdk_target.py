"""What the target relies on in the SDK beyond its documented face; no server is needed.

A new SDK that fails here needs a look at target.py, sink.py and reader.py before anything else.
"""

from __future__ import annotations

import inspect
import io
import json
import logging
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_sdk import Target, exceptions, metrics
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.plugin_base import PluginBase, _ConfigInput
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from singer_sdk.sinks import BatchSink
from singer_sdk.sinks.core import BaseJSONSchemaValidator
from typing_extensions import override

from target_nats_jetstream.reader import SingerReader
from target_nats_jetstream.sink import CompiledValidator, JetStreamSink
from target_nats_jetstream.target import TargetNatsJetstream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROPERTIES = {"ID": {"type": "integer"}, "AT": {"type": "string", "format": "date-time"}}
TIME = "2026-01-01T00:00:00.123456789+02:00"


class NotingValidator(BaseJSONSchemaValidator):
    @override
    def validate(self, record: dict[str, Any]) -> None:
        if record["ID"] < 0:
            msg = "negative"
            raise exceptions.InvalidRecord(msg, record)


class PlainSink(BatchSink):
    """A sink that notes how the SDK drives it."""

    refuse_at: ClassVar[int | None] = None

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the SDK's own arguments
        super().__init__(**arguments)
        self.called: list[Any] = []
        self.cleaned_up = False

    @property
    @override
    def is_full(self) -> bool:
        return self.current_size >= 3

    @override
    def get_validator(self) -> BaseJSONSchemaValidator:
        return NotingValidator(self.schema)

    @override
    def _parse_timestamps_in_record(
        self, record: dict[str, Any], schema: dict[str, Any], treatment: object
    ) -> None:
        """As in our sink."""

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        self.called.append(record)

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        if self.refuse_at == self.current_size:
            raise InterruptedError
        self.called.append(f"batch of {self.current_size}")

    @override
    def process_batch_files(self, encoding: object, files: object) -> None:
        self.called.append("files")

    @override
    def clean_up(self) -> None:
        super().clean_up()
        self.cleaned_up = True


class PlainTarget(Target):
    name = "target-plain"
    config_jsonschema: ClassVar[dict[str, Any]] = {"properties": {"given": {"type": "string"}}}
    default_sink_class = PlainSink

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the SDK's own arguments
        self.called: list[str] = []
        super().__init__(**arguments)

    @override
    def _setup_signal_handlers(self) -> None:
        self.called.append("signals")

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        self.called.append(f"validate {sorted(self._config)} {raise_errors}")
        self._config = {**self._config, "given": "replaced"}
        return super()._validate_config(raise_errors=raise_errors)

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        self.called.append(f"state {message_dict['value']}")

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        self.called.append(f"schema {message_dict['bookmark_properties']}")
        super()._process_schema_message(message_dict)

    @override
    def process_endofpipe(self) -> None:
        self.called.append("end")
        super().process_endofpipe()

    def read(self, *messages: Mapping[str, object]) -> None:
        self.listen(io.StringIO("".join(json.dumps(message) + "\n" for message in messages)))

    def sink(self, name: str = "s") -> PlainSink:
        sink = self._sinks_active[name]
        assert isinstance(sink, PlainSink)
        return sink


def schema(**more: object) -> dict[str, Any]:
    return {
        "type": "SCHEMA",
        "stream": "s",
        "schema": {"properties": {**PROPERTIES, **more}},
        "key_properties": ["ID"],
        "bookmark_properties": ["AT"],
    }


def record(number: int) -> dict[str, Any]:
    return {"type": "RECORD", "stream": "s", "record": {"ID": number, "AT": TIME}}


STATE = {"type": "STATE", "value": {"x": 1}}
BATCH = {
    "type": "BATCH",
    "stream": "s",
    "encoding": {"format": "jsonl", "compression": "none"},
    "manifest": ["file:///nowhere"],
}


def overrides(ours: type, base: type) -> list[Any]:
    """The methods of ``base`` that ``ours`` replaces."""
    return [
        pytest.param(ours, base, name, id=f"{ours.__name__}.{name}")
        for name, found in vars(ours).items()
        if hasattr(base, name) and name != "__init__"
        if inspect.isfunction(getattr(found, "__func__", found))
    ]


# What is replaced is still asked for in the way that it answers


@pytest.mark.parametrize(
    ("ours", "base", "name"),
    [
        *overrides(TargetNatsJetstream, Target),
        *overrides(JetStreamSink, BatchSink),
        *overrides(CompiledValidator, BaseJSONSchemaValidator),
        *overrides(SingerReader, GenericSingerReader),
    ],
)
def test_a_replaced_method_takes_what_the_sdk_gives(ours: type, base: type, name: str) -> None:
    theirs = inspect.signature(getattr(base, name)).parameters
    mine = inspect.signature(getattr(ours, name)).parameters
    for parameter in theirs.values():
        assert parameter.name in mine, parameter
        assert mine[parameter.name].kind is parameter.kind
    for more in (mine[one] for one in set(mine) - set(theirs)):
        assert more.kind is more.VAR_KEYWORD or more.default is not inspect.Parameter.empty


@pytest.mark.parametrize(
    ("base", "name"),
    [
        (PluginBase, "_validate_config"),
        (PluginBase, "_setup_signal_handlers"),
        (PluginBase, "cb_config"),
        (Target, "_process_schema_message"),
        (Target, "_process_state_message"),
        (Target, "process_endofpipe"),
        (BatchSink, "_parse_timestamps_in_record"),
        (BatchSink, "get_validator"),
        (Target, "_process_batch_message"),
        (GenericSingerReader, "process_lines"),
    ],
)
def test_every_hook_is_there(base: type, name: str) -> None:
    assert callable(getattr(base, name))


@pytest.mark.parametrize(
    ("call", "arguments", "keywords"),
    [
        (Target._assert_line_requires, (None, {}), {"requires": {"value"}}),
        (Target._assert_sink_exists, (None, "s"), {}),
        (Target._process_record_message, (None, {"stream": "s", "record": {}}), {}),
        (Target.drain_one, (None, None), {}),
        (Target.print_about, (None,), {}),
        (Target.append_builtin_config, ({},), {}),
        (Target.listen, (None, None), {}),
        (BatchSink.clean_up, (None,), {}),
        (BatchSink.__init__, (None, None, "s", {}, ["ID"]), {}),
        (BaseJSONSchemaValidator.__init__, (None, {}), {}),
        (metrics.MetricExclusionFilter, (), {"metrics": ["x"]}),
        (_ConfigInput, (), {"config": {}, "parse_env": True}),
    ],
)
def test_what_the_target_calls_takes_these_arguments(
    call: Callable[..., object], arguments: tuple[Any, ...], keywords: Mapping[str, Any]
) -> None:
    inspect.signature(call).bind(*arguments, **keywords)


def test_the_sinks_are_where_the_target_looks_for_them() -> None:
    target = PlainTarget()
    assert target._sinks_active == {}
    assert target._sinks_to_clear == []
    assert target.mapper is not None
    target.max_parallelism = 1
    assert target.max_parallelism == 1


def test_the_reader_is_the_one_that_is_given_and_has_no_input_by_default() -> None:
    given = SingerReader(lambda _fd, _deadline: True, lambda: None, lambda: 0.0, lambda _: None)
    assert PlainTarget(message_reader=given).message_reader is given
    assert given.default_input is None


# How the SDK drives a target


def test_a_target_checks_its_config_and_sets_up_signals_once_each_and_in_this_order() -> None:
    target = PlainTarget(config={"given": "x"})
    assert target.called == ["validate ['given'] True", "signals"]
    assert target.config["given"] == "replaced"
    assert PlainTarget(validate_config=False).called == ["validate [] False", "signals"]


def test_messages_reach_the_hooks_in_the_order_of_the_input() -> None:
    target = PlainTarget()
    target.read(schema(), record(1), STATE, record(2))
    assert target.called[2:] == ["schema ['AT']", "state {'x': 1}", "end"]
    assert [item for item in target.sink().called if isinstance(item, str)] == ["batch of 2"]


def test_a_record_is_validated_then_processed_with_its_timestamps_as_they_are() -> None:
    target = PlainTarget()
    target.read(schema(), record(1))
    assert target.sink().called[0] == {"ID": 1, "AT": TIME}


def test_without_our_override_timestamps_would_be_parsed() -> None:
    """If this fails, the override in sink.py can go."""
    sink = PlainTarget().add_sink("s", schema()["schema"], ["ID"])
    parsed = {"ID": 1, "AT": TIME}
    treatment = sink.datetime_error_treatment
    super(PlainSink, sink)._parse_timestamps_in_record(parsed, sink.schema, treatment)  # type: ignore[misc]
    assert parsed["AT"] != TIME


def test_an_invalid_record_of_the_sdk_is_logged_with_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """This is why our validator raises an error of ours; without it that can go."""
    target = PlainTarget()
    with caplog.at_level(logging.ERROR), pytest.raises(exceptions.InvalidRecord):
        target.read(schema(), record(-1))
    assert any(logged.exc_info for logged in caplog.records)


def test_a_missing_key_and_a_record_before_its_schema_are_errors_of_the_sdk() -> None:
    missing = {"type": "RECORD", "stream": "s", "record": {"AT": TIME, "ID": 1}}
    with pytest.raises(exceptions.RecordsWithoutSchemaException):
        PlainTarget().read(missing)
    target = PlainTarget()
    target.read(schema())
    target.sink()._validator = None
    with pytest.raises(exceptions.MissingKeyPropertiesError):
        target.read({"type": "RECORD", "stream": "s", "record": {"AT": TIME}})
    with pytest.raises(exceptions.InvalidInputLine):
        target.read({"type": "RECORD", "stream": "s"})


def test_a_full_sink_is_drained_at_once_and_the_rest_at_the_end() -> None:
    target = PlainTarget()
    target.read(schema(), *map(record, range(5)))
    calls = [item if isinstance(item, str) else item["ID"] for item in target.sink().called]
    assert calls == [0, 1, 2, "batch of 3", 3, 4, "batch of 2"]
    assert target.sink().current_size == 0


def test_an_empty_sink_is_not_drained() -> None:
    target = PlainTarget()
    target.read(schema())
    target.drain_one(target.sink())
    assert target.sink().called == []


def test_a_sink_whose_batch_was_not_taken_is_drained_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The SDK forgets the context of that batch, but not its size: messages stay in our sink."""
    target = PlainTarget()
    monkeypatch.setattr(PlainSink, "refuse_at", 3)
    with pytest.raises(InterruptedError):
        target.read(schema(), *map(record, range(3)))
    assert target.sink().current_size == 3
    monkeypatch.undo()
    target.drain_one(target.sink())
    assert target.sink().called[-1] == "batch of 3"
    assert target.sink().current_size == 0


def test_a_changed_schema_makes_a_new_sink_and_keeps_the_old_one_undrained() -> None:
    """This is why the target drains what was replaced; without it that can go."""
    target = PlainTarget()
    target.read(schema())
    target.process_lines(io.StringIO(json.dumps(record(1)) + "\n"))
    first = target.sink()
    target.process_lines(io.StringIO(json.dumps(schema(X={"type": "string"})) + "\n"))
    assert target._sinks_to_clear == [first]
    assert first.current_size == 1
    assert target.sink() is not first


def test_the_same_schema_again_keeps_the_sink() -> None:
    target = PlainTarget()
    target.read(schema())
    first = target.sink()
    target.read(schema())
    assert target.sink() is first


def test_no_state_is_written_that_was_not_given_to_the_sdk(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Not at the end, and not by the drain that the SDK makes of its own accord after a while."""
    target = PlainTarget()
    target._MAX_RECORD_AGE_IN_MINUTES = -1
    target.read(schema(), record(1), STATE, record(2))
    assert "batch of 1" in target.sink().called
    assert capsys.readouterr().out == ""


def test_a_stream_without_maps_is_known_by_the_kind_of_its_only_map() -> None:
    target = PlainTarget()
    target.read(schema())
    (only,) = target.mapper.stream_maps["s"]
    assert type(only) is SameRecordTransform
    assert not only.flattening_enabled
    assert only.stream_alias == "s"
    assert not target.sink().include_sdc_metadata_properties
    mapped = PlainTarget(config={"stream_maps": {"s": {"more": "1"}}})
    mapped.read(schema())
    assert not isinstance(mapped.mapper.stream_maps["s"][0], SameRecordTransform)


def test_a_batch_message_reaches_its_hook_by_the_name_of_its_type() -> None:
    """Ours reads the files itself; the SDK's hands them to the sink, past maps and validation."""
    target = PlainTarget()
    batch = {"type": "BATCH", "stream": "s", "encoding": {"format": "jsonl"}, "manifest": ["f"]}
    target.read(schema(), batch)
    assert target.sink().called == ["files"]


def test_settings_that_the_sdk_adds_are_those_that_the_target_knows() -> None:
    added: dict[str, Any] = {"properties": {}}
    Target.append_builtin_config(added)
    ours: dict[str, Any] = {"properties": {}}
    TargetNatsJetstream.append_builtin_config(ours)
    assert set(added["properties"]) - set(ours["properties"]) == {"batch_size_rows"}


def test_the_command_line_reads_config_files_in_a_callback() -> None:
    options = {parameter.name: parameter for parameter in PlainTarget.get_singer_command().params}
    assert options["config"].callback == PlainTarget.cb_config
