"""What the tap relies on in the SDK beyond its documented face; no code of the tap is run here.

A new SDK that fails here needs a look at tap.py and stream.py before anything else.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest
from singer_sdk import Stream, Tap, metrics
from singer_sdk.exceptions import AbortedSyncPausedException
from singer_sdk.helpers._util import load_json
from singer_sdk.mapper import (
    CustomStreamMap,
    RemoveRecordTransform,
    SameRecordTransform,
    StreamMap,
)
from singer_sdk.plugin_base import _ConfigInput
from singer_sdk.singerlib import Message
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from typing_extensions import override

from tap_oracle_txlog.stream import EventStream
from tap_oracle_txlog.tap import TapOracleTxlog
from tap_oracle_txlog.writer import SingerWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from singer_sdk.helpers.types import Context

SCHEMA = {"properties": {"ID": {"type": "integer"}, "AT": {"type": "string"}}}
BOOKMARK = {
    "replication_key": "AT",
    "replication_key_value": "2026-01-01T00:00:00.000001000",
    "position": {"at": "2026-01-01T00:00:00.000001000", "id": None},
    "emitted": "1-3",
    "v": 1,
}


class ListWriter(GenericSingerWriter[str, Message]):
    """Keeps the messages."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    @override
    def serialize_message(self, message: Message) -> str:
        return str(message.to_dict())

    @override
    def write_message(self, message: Message) -> None:
        self.messages.append(message.to_dict())


class PlainStream(Stream):
    """A stream that notes how the SDK drives it."""

    name = "plain"
    schema: ClassVar[dict[str, Any]] = SCHEMA
    primary_keys = ("ID",)
    replication_key = "AT"
    failure: Exception | None = None

    def __init__(self, tap: Tap) -> None:
        super().__init__(tap)
        self.driven: list[tuple[Any, bool]] = []
        self.exhausted = False
        self.logged: list[tuple[str, int]] = []

    @override
    def get_records(self, context: Context | None) -> Generator[dict[str, Any], None, None]:
        pytest.fail("the SDK asks for records past _sync_records")

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], None, None]:
        self.driven.append((context, write_messages))
        yield {"ID": 1, "AT": "2026-01-01"}
        if self.failure:
            raise self.failure
        state = self.stream_state
        state.clear()
        state.update(BOOKMARK)
        self.state_manager.is_flushed = False
        if write_messages:
            self._write_state_message()
        self._check_max_record_limit(1)
        self.exhausted = True

    @override
    def log(self, message: str, *args: Any, level: int = 20, **kwargs: Any) -> None:
        self.logged.append((message % args, level))


class PlainTap(Tap):
    """Its one stream is always the same object."""

    name = "tap-plain"
    config_jsonschema: ClassVar[dict[str, Any]] = {"properties": {"given": {"type": "string"}}}
    message_writer_class = ListWriter

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401  # the SDK's own arguments
        self.called: list[str] = []
        super().__init__(**arguments)

    @override
    def discover_streams(self) -> list[Stream]:
        return [PlainStream(self)]

    @override
    def _setup_signal_handlers(self) -> None:
        self.called.append("signals")

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        self.called.append(f"validate {sorted(self._config)} {raise_errors}")
        self._config = {**self._config, "given": "replaced"}
        return super()._validate_config(raise_errors=raise_errors)

    @property
    def stream(self) -> PlainStream:
        return cast("PlainStream", self.streams["plain"])

    @property
    def types(self) -> list[str]:
        return [str(message["type"].value) for message in cast_writer(self).messages]


def cast_writer(tap: Tap) -> ListWriter:
    return cast("ListWriter", tap.message_writer)


def overrides(ours: type, base: type) -> list[Any]:
    """The methods of ``base`` that ``ours`` replaces."""
    return [
        pytest.param(ours, base, name, id=f"{ours.__name__}.{name}")
        for name, found in vars(ours).items()
        if callable(getattr(ours, name)) and hasattr(base, name) and name != "__init__"
        if inspect.isfunction(getattr(found, "__func__", found))
    ]


def wanted(parameters: Mapping[str, inspect.Parameter]) -> int:
    """How many arguments have to be given by position."""
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in plain for one in parameters.values())


def keywords(parameters: Mapping[str, inspect.Parameter]) -> dict[str, None]:
    """Those that have to be given by name."""
    only = inspect.Parameter.KEYWORD_ONLY
    return {name: None for name, one in parameters.items() if one.kind is only}


# What is replaced is still asked for in the way that it answers


@pytest.mark.parametrize(
    ("ours", "base", "name"),
    [
        *overrides(EventStream, Stream),
        *overrides(TapOracleTxlog, Tap),
        *overrides(SingerWriter, GenericSingerWriter),
    ],
)
def test_a_replaced_method_takes_what_the_sdk_gives(ours: type, base: type, name: str) -> None:
    theirs = inspect.signature(getattr(base, name)).parameters
    mine = inspect.signature(getattr(ours, name)).parameters
    for parameter in theirs.values():
        assert parameter.name in mine, parameter
        assert mine[parameter.name].kind is parameter.kind
        assert (mine[parameter.name].default is inspect.Parameter.empty) == (
            parameter.default is inspect.Parameter.empty
        )
    inspect.signature(getattr(ours, name)).bind(*[None] * wanted(theirs), **keywords(theirs))


@pytest.mark.parametrize(
    ("base", "name"),
    [
        (Stream, "_sync_records"),
        (Stream, "get_replication_key_signpost"),
        (Stream, "apply_catalog"),
        (Stream, "log"),
        (Stream, "get_batch_config"),
        (Stream, "_generate_schema_messages"),
        (Tap, "load_state"),
        (Tap, "_validate_config"),
        (Tap, "_setup_signal_handlers"),
        (Tap, "get_singer_command"),
        (Tap, "invoke"),
    ],
)
def test_every_hook_is_there(base: type, name: str) -> None:
    assert callable(getattr(base, name))


@pytest.mark.parametrize(
    ("call", "arguments", "keywords"),
    [
        (Stream._write_state_message, (None,), {}),
        (Stream._write_record_message, (None, {}), {}),
        (Stream._generate_record_messages, (None, {}), {}),
        (Stream._check_max_record_limit, (None, 1), {}),
        (Stream.get_context_state, (None, {"start": "x"}), {}),
        (Stream.get_record_counter, (None,), {}),
        (Stream.get_sync_timer, (None,), {}),
        (Stream.__init__, (None, None), {"schema": {}, "name": "x"}),
        (metrics.Counter.increment, (None, 5), {}),
        (Tap.append_builtin_config, ({},), {}),
        (Tap.print_about, (None,), {}),
        (Tap.load_state, (None, {}), {}),
        (Tap.sync_all, (None,), {}),
        (load_json, ("{}",), {}),
        (_ConfigInput, (), {"config": {}, "parse_env": True}),
    ],
)
def test_what_the_tap_calls_takes_these_arguments(
    call: Callable[..., object], arguments: tuple[Any, ...], keywords: Mapping[str, Any]
) -> None:
    inspect.signature(call).bind(*arguments, **keywords)


# How the SDK drives a tap


def test_a_tap_checks_its_config_and_sets_up_signals_once_each_and_in_this_order() -> None:
    tap = PlainTap(config={"given": "x"})
    assert tap.called == ["validate ['given'] True", "signals"]
    assert PlainTap(validate_config=False).called == ["validate [] False", "signals"]


def test_the_config_that_the_check_leaves_behind_is_the_one_that_holds() -> None:
    assert PlainTap(config={"given": "x"}).config["given"] == "replaced"


def test_a_sync_writes_the_schema_and_then_reads_the_records_to_their_end() -> None:
    tap = PlainTap()
    tap.sync_all()
    assert tap.stream.driven == [(None, True)]
    assert tap.stream.exhausted
    assert tap.types == ["SCHEMA", "STATE"]


def test_a_given_state_is_written_first_with_all_that_is_in_it() -> None:
    other = {"replication_key": "X", "replication_key_value": 5}
    state = {"bookmarks": {"plain": dict(BOOKMARK, emitted=""), "other": other}}
    tap = PlainTap(state=state)
    tap.sync_all()
    assert tap.types == ["STATE", "SCHEMA", "STATE"]
    first, _, last = cast_writer(tap).messages
    assert first["value"] == state
    assert last["value"] == {"bookmarks": {"plain": BOOKMARK, "other": other}}


def test_of_a_given_state_the_sdk_keeps_the_bookmarks_alone() -> None:
    """This is why ``TapOracleTxlog.load_state`` keeps the rest."""
    bookmarks = {"other": {"x": 1}}
    assert PlainTap(state={"bookmarks": bookmarks, "y": 2}).state == {"bookmarks": bookmarks}


def test_the_schema_of_a_schema_message_can_be_replaced() -> None:
    (message,) = PlainTap().stream._generate_schema_messages()
    message.schema = {**message.schema, "title": "T"}
    assert message.to_dict()["schema"]["title"] == "T"


def test_a_state_is_written_again_only_when_it_differs() -> None:
    tap = PlainTap(state={"bookmarks": {"plain": dict(BOOKMARK)}})
    tap.state_writer.write_state(tap.state)
    tap.stream.state_manager.is_flushed = False
    tap.stream._write_state_message()
    assert tap.types == ["STATE"]
    tap.stream.stream_state["reading"] = True
    tap.stream.state_manager.is_flushed = False
    tap.stream._write_state_message()
    assert tap.types == ["STATE", "STATE"]


def test_the_end_of_a_sync_neither_alters_our_bookmark_nor_writes_it_again() -> None:
    tap = PlainTap()
    tap.sync_all()
    assert tap.state == {"bookmarks": {"plain": BOOKMARK}}
    assert tap.types.count("STATE") == 1


def test_a_bookmark_of_a_slice_is_kept_in_the_partitions_by_its_context() -> None:
    tap = PlainTap(state={"bookmarks": {"plain": dict(BOOKMARK)}})
    for start in ("a", "b", "a"):
        tap.stream.get_context_state({"start": start}).update(mark=start)
    slices = [{"context": {"start": name}, "mark": name} for name in ("a", "b")]
    assert tap.state["bookmarks"]["plain"] == BOOKMARK | {"partitions": slices}


BATCH_CONFIG = {
    "encoding": {"format": "jsonl", "compression": "gzip"},
    "storage": {"root": "file:///tmp/x y", "prefix": "p"},
    "batch_size": 7,
}


def test_a_stream_that_has_no_batch_config_is_synced_by_its_records_whatever_is_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """This is why ``EventStream.get_batch_config`` gives none."""
    monkeypatch.setattr(PlainStream, "get_batch_config", lambda _self, _config: None)
    tap = PlainTap(config={"batch_config": BATCH_CONFIG})
    tap.sync_all()
    assert tap.stream.driven == [(None, True)]
    assert tap.types == ["SCHEMA", "STATE"]


def test_a_batch_config_has_the_members_that_the_files_are_made_by() -> None:
    config = PlainTap().stream.get_batch_config({"batch_config": BATCH_CONFIG})
    assert config is not None
    assert (config.encoding.format, config.encoding.compression) == ("jsonl", "gzip")
    assert (config.batch_size, config.storage.prefix) == (7, "p")
    assert config.storage.get_url("name") == "file:///tmp/x y/name"
    inspect.signature(config.storage.open).bind("name", "wb")
    assert PlainTap().stream.get_batch_config({}) is None


@pytest.mark.parametrize(
    "lacking", [{"encoding": {}}, {"encoding": {"format": "jsonl"}}, {"storage": {}}]
)
def test_a_batch_config_that_is_not_complete_is_a_type_error(lacking: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        PlainTap().stream.get_batch_config({"batch_config": lacking})


def test_the_records_of_a_row_come_with_the_streams_that_the_maps_name() -> None:
    maps = {"plain": {"__filter__": "ID > 1", "__alias__": "some"}, "all": {"__source__": "plain"}}
    stream = PlainTap(config={"stream_maps": maps}).stream
    messages = {
        (message.stream, message.record["ID"])
        for number in (1, 2)
        for message in stream._generate_record_messages({"ID": number, "AT": "x"})
    }
    assert messages == {("all", 1), ("all", 2), ("some", 2)}


def test_the_replication_method_is_what_the_catalog_asks_for() -> None:
    assert PlainTap().stream.replication_method == REPLICATION_INCREMENTAL
    catalog = PlainTap().catalog_dict
    catalog["streams"][0]["replication_method"] = "FULL_TABLE"
    assert PlainTap(catalog=catalog).stream.replication_method == "FULL_TABLE"


def test_a_dry_run_ends_at_its_limit_after_the_state_is_written_and_counts_as_success() -> None:
    tap = PlainTap()
    assert tap.run_connection_test()
    assert tap.stream.ABORT_AT_RECORD_COUNT == 1
    assert not tap.stream.exhausted
    assert tap.types == ["SCHEMA", "STATE"]


def test_the_limit_of_a_dry_run_is_reached_and_not_exceeded() -> None:
    stream = PlainTap().stream
    stream.ABORT_AT_RECORD_COUNT = 3
    stream._check_max_record_limit(2)
    with pytest.raises(AbortedSyncPausedException):
        stream._check_max_record_limit(3)


def test_a_failed_sync_is_announced_at_error_without_its_cause() -> None:
    """This is why ``EventStream.log`` lowers the level; without it the override can go."""
    tap = PlainTap()
    tap.stream.failure = ValueError("the cause")
    with pytest.raises(ValueError, match="the cause"):
        tap.sync_all()
    assert [text for text, level in tap.stream.logged if level >= 40] == [
        "An unhandled error occurred while syncing 'plain'"
    ]


# What decides between the short and the long way of a record


def mapped(**config: object) -> StreamMap:
    """The first stream map of the plain stream."""
    return PlainTap(config=config).stream.stream_maps[0]


def test_only_a_stream_without_map_and_flattening_is_passed_on_as_it_is() -> None:
    plain = mapped()
    assert isinstance(plain, SameRecordTransform)
    assert not plain.flattening_enabled
    flat = mapped(flattening_enabled=True, flattening_max_depth=1)
    assert isinstance(flat, SameRecordTransform)
    assert flat.flattening_enabled
    assert isinstance(mapped(stream_maps={"plain": {"ID": "ID"}}), CustomStreamMap)
    assert isinstance(mapped(stream_maps={"plain": None}), RemoveRecordTransform)
    for other in (CustomStreamMap, RemoveRecordTransform):
        assert not issubclass(other, SameRecordTransform)


def test_the_mask_names_columns_by_their_breadcrumb() -> None:
    catalog = PlainTap().catalog_dict
    for entry in catalog["streams"][0]["metadata"]:
        entry["metadata"]["selected"] = True
    catalog["streams"][0]["schema"]["properties"]["X"] = {"type": "string"}
    catalog["streams"][0]["metadata"].append(
        {"breadcrumb": ["properties", "X"], "metadata": {"selected": False}}
    )
    mask = PlainTap(catalog=catalog).stream.mask
    assert mask[()]
    assert mask[("properties", "ID")]
    assert not mask.get(("properties", "X"), True)
