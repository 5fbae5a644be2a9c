"""The benchmark's reader of truth sees what a contender did wrong, and nothing that it did not."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import truth
from bench.table import fill, ids_in_order, row
from bench.truth import Truth, compare, read_ids
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nats.aio.client import Client

    from tools.servers.nats import NatsServer

ROWS = [30, 10, 20, 40]


@pytest.mark.parametrize(
    ("stored", "wrong"),
    [
        ([30, 10, 20, 40], {}),
        ([30, 20, 40], {"lost": 1}),
        ([30, 10, 10, 20, 40, 30], {"repeated": 2}),
        ([30, 20, 10, 40], {"disordered": 1}),
        ([40, 30, 10, 20], {"disordered": 3}),
        ([30, 10, 20, 40, 50], {"unknown": 1}),
        ([], {"lost": 4}),
        ([20, 30, 30], {"lost": 2, "repeated": 1, "disordered": 1}),
    ],
)
def test_each_mistake_is_told_and_no_other(stored: list[int], wrong: dict[str, int]) -> None:
    found = compare(stored, ROWS)
    names = ("lost", "repeated", "disordered", "unknown")
    assert {name: getattr(found, name) for name in names if getattr(found, name)} == wrong
    assert found.exact == (not wrong)
    assert found.stored == len(stored)
    assert str(found) == (
        ", ".join(f"{wrong[name]} {name}" for name in names if name in wrong)
        or "each once, in order"
    )


@given(st.lists(st.integers(0, 9)))
def test_only_the_rows_themselves_in_their_order_are_exact(stored: list[int]) -> None:
    assert compare(stored, range(5)).exact == (stored == [0, 1, 2, 3, 4])


def test_the_ids_of_a_stream_are_read_in_its_order_over_many_answers(
    shared_nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With and without headers, with an ``ID`` elsewhere in the payload, too."""
    monkeypatch.setattr(truth, "BATCH", 7)
    fill(tmp_path / "events.db", 250)
    expected = ids_in_order(tmp_path / "events.db")
    ids = [*expected[:100], *expected[101:150], 3, expected[151], expected[150], *expected[152:]]
    stream = f"S_{secrets.token_hex(4)}"
    shared_nats.add_stream(stream, [stream], allow_direct=True)
    assert list(read_ids(shared_nats, stream)) == []
    publish(shared_nats, stream, ids)
    wait_until(lambda: shared_nats.messages(stream) == len(ids))
    assert list(read_ids(shared_nats, stream)) == ids
    found = compare(read_ids(shared_nats, stream), expected)
    assert found == Truth(250, 249, lost=1, repeated=1, disordered=1, unknown=0)


def publish(server: NatsServer, subject: str, ids: Sequence[int]) -> None:
    names = ("CASE_ID", "EVENT_DATA", "ID")

    async def send(client: Client) -> None:
        for number, id_ in enumerate(ids):
            values = ('"ID":1', f'{{"ID": {row(id_)[0]}}}', id_)
            payload = json.dumps(dict(zip(names, values, strict=True))).encode()
            headers = {"Nats-Msg-Id": str(number)} if number % 2 else None
            await client.publish(subject, payload, headers=headers)
        await client.flush()

    server.run(send)
