"""The failure table: what each failure means, and that no failure is without a meaning."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from target_nats_jetstream.errors import (
    AccessDeniedError,
    ConfigurationError,
    DataError,
    TargetError,
)
from target_nats_jetstream.publisher.failures import (
    ACTIONS,
    Action,
    Forbidden,
    Lost,
    Mismatch,
    NoBatch,
    NoResponders,
    Refused,
    Rewound,
    Slow,
    Tight,
    verdict_on,
)

refusals = st.builds(
    Refused,
    code=st.sampled_from([400, 404, 408, 409, 412, 429, 500, 503]),
    err_code=st.sampled_from([*ACTIONS, 10077, 10999, 0]),
    description=st.text(max_size=30),
)
failures = st.one_of(
    refusals,
    st.builds(Lost, st.text(max_size=20)),
    st.builds(NoResponders, st.text(max_size=20)),
    st.builds(NoBatch, st.text(max_size=20)),
    st.builds(Rewound, st.integers(), st.integers()),
    st.builds(Tight, st.integers()),
    st.builds(Mismatch, st.integers(1), st.integers()),
    st.builds(Slow, st.integers(1)),
    st.just(Forbidden(AccessDeniedError("denied", "allow it"))),
)


@given(failures, st.integers(1, 1000), st.booleans())
def test_every_failure_has_a_verdict_that_can_be_acted_on(
    failure: Refused | Lost, messages: int, again: bool
) -> None:
    verdict = verdict_on(failure, stream="S", messages=messages, again=again)
    if verdict.action is Action.STOP:
        assert isinstance(verdict.error, TargetError)
    if verdict.action is Action.DEAD_LETTER:
        assert messages == 1, "only a single message can be known to be the refused one"
        assert isinstance(verdict.error, DataError)


@given(st.sampled_from([500, 503, 429, 408, 409]), st.integers(10_300, 20_000))
def test_unknown_trouble_of_the_server_passes(code: int, err_code: int) -> None:
    assert verdict_on(Refused(code, err_code, "x"), stream="S").action is Action.RESEND


@given(st.sampled_from([400, 403, 404, 412]), st.integers(10_300, 20_000))
def test_an_unknown_refusal_stops_with_its_own_words(code: int, err_code: int) -> None:
    verdict = verdict_on(Refused(code, err_code, "no such thing"), stream="S")
    assert verdict.action is Action.STOP
    assert isinstance(verdict.error, ConfigurationError)
    assert "no such thing" in str(verdict.error)
    assert str(err_code) in str(verdict.error)


def test_an_incomplete_batch_is_sent_again_and_then_taken_apart() -> None:
    incomplete = Refused(400, 10176, "atomic publish batch is incomplete")
    assert verdict_on(incomplete, stream="S", messages=10).action is Action.RESEND
    assert verdict_on(incomplete, stream="S", messages=10, again=True).action is Action.SINGLY


@given(st.integers(1, 10_000), st.integers(-10, 20_000))
def test_only_a_stream_that_moved_by_more_than_was_sent_is_written_to_by_others(
    sent: int, moved: int
) -> None:
    verdict = verdict_on(Mismatch(sent, moved), stream="S")
    assert verdict.action is (Action.PREFER_ATOMIC if moved > sent else Action.SINGLY)


@pytest.mark.parametrize(
    ("subject", "setting"), [("$JS.API.STREAM.INFO.S", "domain"), ("$JS.hub.API.X", "domain")]
)
def test_an_api_that_does_not_answer_points_to_jetstream_itself(subject: str, setting: str) -> None:
    verdict = verdict_on(NoResponders(subject), stream="S")
    assert verdict.action is Action.RESEND
    assert setting in str(verdict.error)
