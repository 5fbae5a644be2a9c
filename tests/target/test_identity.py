"""What is in the stream is what came in, less what is the same keyed record sent again.

Random records of streams with and without keys, interleaved, with keys of every JSON type and with
many repeats, go over a real nats-server: in one run, and in runs that are killed and go on.
"""

from __future__ import annotations

import json
import signal
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, given, settings

from tests.support.target import Message, Target, schema
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.forking import ForkServer
    from tools.servers.nats import NatsServer

#: Each of these is another value, though some are equal in Python or look alike when printed.
#: Text that ids, headers or subjects could stumble over is among them.
LOOK_ALIKE: list[Any] = [
    *(None, True, False, 0, 1, -1, 1.0, 1e16, 2**63, 0.1),
    *("", "null", "None", "true", "True", "1", "1.0", " 1", "1 ", "a:b", "a", "b:a", "%3A", "ü"),
    *('"', "\\", "\n", "\u2028", "𝄞", "x" * 300, [], [1], ["1"], {}, {"a": 1}, {"a": "1"}),
]
MISSING = object()
VALUES = st.sampled_from([*LOOK_ALIKE, MISSING])
TIMES = st.sampled_from(["2026-01-01", "2026-01-01", 1, 1.0, "1", None, MISSING])


class Sent(NamedTuple):
    """A record of a stream, as JSON."""

    stream: str
    text: str


@dataclass(frozen=True)
class Kind:
    """What a SCHEMA says of keys."""

    keys: tuple[str, ...] = ()
    replication_key: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """What tells the records of the stream apart; empty where nothing does."""
        return (*self.keys, self.replication_key) if self.keys and self.replication_key else ()


KINDS = {
    "KEYED": Kind(("ID",), "AT"),
    "PAIR": Kind(("ID", "V"), "AT"),
    "UNORDERED": Kind(("ID",)),
    "KEYLESS": Kind((), "AT"),
    "BARE": Kind(),
}
PROPERTIES: dict[str, Any] = {"ID": {}, "AT": {}, "V": {}}
SCHEMAS = [
    schema(name, keys=kind.keys, properties=PROPERTIES, replication_key=kind.replication_key)
    for name, kind in KINDS.items()
]


def complete(stream: str, **fields: object) -> dict[str, Any]:
    """A record without what is missing; a key property that is missing is an error of its own."""
    there = {name: value for name, value in fields.items() if value is not MISSING}
    return {**dict.fromkeys(KINDS[stream].keys), **there}


@st.composite
def inputs(draw: st.DrawFn) -> list[Sent]:
    """Records of few values each, so that they come again wholly, and in all but one of them."""
    ids = draw(st.lists(VALUES, min_size=2, max_size=5))
    times = draw(st.lists(TIMES, min_size=1, max_size=3))
    values = draw(st.lists(VALUES, min_size=2, max_size=3))
    count, chance = draw(st.integers(20, 150)), draw(st.randoms(use_true_random=False))
    given: list[Sent] = []
    for _ in range(count):
        stream = chance.choice(list(KINDS))
        fields = {
            name: chance.choice(of) for name, of in (("ID", ids), ("AT", times), ("V", values))
        }
        given.append(Sent(stream, json.dumps(complete(stream, **fields))))
    return given


def is_keyed(sent: Sent) -> bool:
    """Whether an equal record is this one sent again."""
    columns, record = KINDS[sent.stream].columns, json.loads(sent.text)
    return bool(columns) and all(record.get(name) is not None for name in columns)


def expected(given: Sequence[Sent]) -> list[Sent]:
    """All of them in their order; of keyed ones that are equal in every byte, the first."""
    stored: list[Sent] = []
    seen: set[Sent] = set()
    for sent in given:
        if not is_keyed(sent) or sent not in seen:
            stored.append(sent)
        seen.add(sent)
    return stored


def stored_in(target: Target) -> list[Sent]:
    """What the stream holds, as JSON again: 1, 1.0 and true are equal in Python."""
    found = []
    for message in target.stored():
        record = json.loads(message.data)
        del record["trace_id"], record["data_type"]
        found.append(Sent(message.subject.rpartition(".")[2], json.dumps(record)))
    return found


def line(sent: Sent) -> str:
    return f'{{"type": "RECORD", "stream": "{sent.stream}", "record": {sent.text}}}'


def state(number: int) -> Message:
    """The STATE behind so many records of the input."""
    value = {"bookmarks": {name: {"replication_key_value": number} for name in KINDS}}
    return {"type": "STATE", "value": value}


def lines(given: Sequence[Sent], start: int, each: int) -> list[Message | str]:
    """The input from record ``start`` on, with a STATE behind each so many records."""
    found: list[Message | str] = []
    for number, one in enumerate(given[start:], start + 1):
        found.append(line(one))
        if number % each == 0 or number == len(given):
            found.append(state(number))
    return found


@pytest.fixture(scope="module")
def make_target(
    tmp_path_factory: pytest.TempPathFactory, shared_nats: NatsServer, forks: ForkServer
) -> Any:  # noqa: ANN401 - a function that makes targets
    return lambda: Target(tmp_path_factory.mktemp("identity"), shared_nats, forks)


#: Each example starts at least one process, so failures are reported without being shrunk.
of_real_processes = settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


@of_real_processes
@given(given=inputs(), batch_size=st.sampled_from([1, 7, 100]))
def test_all_that_comes_in_is_stored_in_order_but_for_keyed_records_sent_again(
    make_target: Any,  # noqa: ANN401 - idem
    given: list[Sent],
    batch_size: int,
) -> None:
    target = make_target()
    run = target.run(*SCHEMAS, *lines(given, 0, 10), batch_size=batch_size)
    assert run.code == 0, run.log
    assert stored_in(target) == expected(given)
    assert target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == len(expected(given))


@of_real_processes
@given(
    given=inputs(),
    cuts=st.lists(st.floats(0, 1), min_size=1, max_size=3),
    mode=st.sampled_from(["fast", "atomic", "window"]),
)
def test_kills_change_nothing_in_that(
    make_target: Any,  # noqa: ANN401 - idem
    given: list[Sent],
    cuts: list[float],
    mode: str,
) -> None:
    """Each run but the last is fed up to a record, and killed when all before it is stored.

    The next one gets the last STATE, and the records behind that one again.
    """
    target, printed, start = make_target(), list[str](), 0
    config = {"publish_mode": mode, "batch_size": 7, "checkpoint_records": 10}
    for cut in sorted(cuts):
        end = max(start, int(cut * len(given)))
        running = target.start(**config)
        running.feed(*printed_first(printed), *SCHEMAS, *lines(given[:end], start, 10)[:-1])
        stored = len(expected(given[:end]))
        wait_until(lambda: target.server.messages(target.stream) >= stored)  # noqa: B023 - at once
        running.process.kill()
        assert running.killed_or_ended() == -signal.SIGKILL
        printed = running.states[-1:] or printed
        start = number_of(printed)
    again = lines(given, start, 10)
    run = target.run(*printed_first(printed), *SCHEMAS, *again, **config)
    assert run.code == 0, run.log
    assert stored_in(target) == expected(given)
    assert target.ledger()["PIPELINE"]["RECORDS_PROCESSED"] == len(expected(given))


@of_real_processes
@given(before=inputs(), after=inputs(), agree=st.integers(0, 40), start=st.integers(0, 20))
def test_what_comes_after_a_kill_and_is_not_what_was_sent_before_is_stored(
    make_target: Any,  # noqa: ANN401 - idem
    before: list[Sent],
    after: list[Sent],
    agree: int,
    start: int,
) -> None:
    """The source has changed meanwhile: it agrees for some records behind the last STATE."""
    target = make_target()
    after = [*before[start : start + agree], *after]
    running = target.start(batch_size=7, checkpoint_records=1)
    running.feed(*SCHEMAS, *map(line, before[:start]), state(start), *map(line, before[start:]))
    stored = expected(before)
    running.until_states(1)
    wait_until(lambda: target.server.messages(target.stream) >= len(stored))
    running.process.kill()
    assert running.killed_or_ended() == -signal.SIGKILL
    run = target.run(state(start), *SCHEMAS, *map(line, after), state(start + len(after)))
    assert run.code == 0, run.log
    assert stored_in(target) == [*stored, *not_recognised(before, start, after)]


def not_recognised(before: Sequence[Sent], start: int, after: Sequence[Sent]) -> list[Sent]:
    """Those of ``after`` that are neither keyed records of ``before`` nor, stream by stream, what
    stands behind its record ``start``, one by one from there, as long as they agree.
    """
    seen = {sent for sent in before if is_keyed(sent)}
    behind = {name: [s for s in before[start:] if s.stream == name] for name in KINDS}
    places = {name: deque(s for s in sent if not is_keyed(s)) for name, sent in behind.items()}
    new: list[Sent] = []
    for sent in after:
        place = places[sent.stream]
        if is_keyed(sent):
            if sent not in seen:
                new.append(sent)
            seen.add(sent)
        elif place and place[0] == sent:
            place.popleft()
        else:
            place.clear()
            new.append(sent)
    return new


def printed_first(printed: Sequence[str]) -> list[Message]:
    """Our tap begins with the STATE that it was given, and with one that says nothing if it was
    given none.

    Another tap does not say where it starts: had its first STATE been in the ledger and not out yet
    when the target was killed, all would be stored again.
    """
    return [{"type": "STATE", "value": json.loads(text)} for text in printed or ["{}"]]


def number_of(printed: Sequence[str]) -> int:
    """How many records the last STATE covers."""
    state = json.loads(printed[-1]) if printed else {}
    return int(state["bookmarks"]["KEYED"]["replication_key_value"]) if state else 0
