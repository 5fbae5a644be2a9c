"""The file of a plan: what is read of it, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.dask import submitted
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.rules.slices import MAX_SLICES, plan
from tap_oracle_txlog.rules.timestamps import parse
from tap_oracle_txlog.slice_pipe import program_of
from tap_oracle_txlog.slice_plan import Plan, PlannedSlice, parse_plan, read_plan
from tap_oracle_txlog.source import TableNames

if TYPE_CHECKING:
    from pathlib import Path

NAMES = TableNames("TXLOG_EVENTS", "SPC.TXLOG_EVENTS", "EVENT_TIMESTAMP", "ID")
SLICES = plan(parse("2026-01-01"), parse("2026-02-01"), 3)
GOOD = Plan(
    table="SPC.TXLOG_EVENTS",
    replication_key="EVENT_TIMESTAMP",
    by="time",
    tail_start_date=SLICES[-1].end,
    slices=[PlannedSlice(*one) for one in SLICES],
)


def test_a_plan_is_what_was_written_and_a_person_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(GOOD.to_json())
    assert read_plan(path) == GOOD
    assert json.loads(path.read_text())["slices"][2] == {
        "start_date": SLICES[2].start,
        "end_date": SLICES[2].end,
    }
    assert len(path.read_text().splitlines()) > 10
    read_plan(path).check(NAMES)
    assert read_plan(path).slice(2) == GOOD.slices[2]


def test_the_longest_plan_fits_into_a_configmap() -> None:
    """Which may have 1 MiB; the Indexed Job mounts it."""
    slices = plan(parse("2026-01-01"), parse("2026-02-01"), MAX_SLICES)
    longest = msgspec.structs.replace(GOOD, slices=[PlannedSlice(*one) for one in slices])
    text = longest.to_json()
    assert parse_plan(text.encode()) == longest
    assert len(text) < 2**20


class RecordingClient:
    """Takes tasks as Dask does, and keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def submit(self, *given: object, **options: object) -> str:
        self.given += given
        return f"what {options['key']} returns"


def test_the_plan_is_sent_to_the_engine_once_and_not_with_each_slice() -> None:
    client: Any = RecordingClient()
    tasks = submitted(client, "the plan", 100, [], retries=1)
    assert sorted(tasks.values()) == list(range(100))
    assert client.given.count("the plan") == 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"version": 2}, r"cannot read the plan .*: Invalid enum value 2"),
        ({"slices": []}, "cannot read the plan"),
        ({"slices": [{"start_date": "x", "end_date": "y"}]}, "cannot read the plan"),
        ({"slices": [{"start_date": SLICES[1].start, "end_date": SLICES[0].start}]}, "not before"),
        ({"by": "size"}, "cannot read the plan"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, values: dict[str, Any], reason: str) -> None:
    path = tmp_path / "plan.json"
    content = json.loads(GOOD.to_json()) | values
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigurationError, match=reason):
        read_plan(path)


@pytest.mark.parametrize("content", ["", "[]", "nonsense", "[" * 10_000, '{"version": 1}'])
def test_any_other_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"cannot read the plan .*Make one with"):
        read_plan(path)


def test_a_plan_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="it does not exist"):
        read_plan(tmp_path / "plan.json")


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_otherwise(content: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        parse_plan(content)


def test_the_plan_of_another_table_or_column_is_refused() -> None:
    for names in (
        TableNames("OTHERS", "SPC.OTHERS", "EVENT_TIMESTAMP", "ID"),
        TableNames("TXLOG_EVENTS", "SPC.TXLOG_EVENTS", "CREATED_AT", "ID"),
    ):
        reason = f"of SPC.TXLOG_EVENTS by EVENT_TIMESTAMP, but .* {names.table} by"
        with pytest.raises(ConfigurationError, match=reason):
            GOOD.check(names)


def test_a_slice_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no slice 3 in the plan: it has 0 to 2"):
        GOOD.slice(3)


@given(st.integers(0, 9_999), st.integers(0, 9_999))
def test_the_names_of_slices_are_in_their_order(one: int, other: int) -> None:
    assert (program_of("M", one) < program_of("M", other)) == (one < other)
