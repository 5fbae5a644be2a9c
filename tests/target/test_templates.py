"""Message ids and headers from templates: stable, and fit for a header whatever the data holds."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.identity import MAX_NAME_CHARACTERS
from target_nats_jetstream.message import DIGEST_HEADER, Message, MessageBuilder, encode
from target_nats_jetstream.settings import TargetSettings
from target_nats_jetstream.subject import SubjectTemplate
from target_nats_jetstream.template import Template, text_of

VALUES = st.one_of(st.integers(), st.booleans(), st.text(max_size=300))
SUBJECT = SubjectTemplate.parse("txlog.events")
CONFIG = {
    "subject": "txlog.events",
    "add_trace_id": True,
    "checkpoint_records": 1,
    "checkpoint_seconds": 1,
    "shutdown_timeout": 1,
}


def builder(**options: str) -> MessageBuilder:
    headers = {"Origin": Template.parse(options.get("header", "{stream}/{ID}"))}
    id_template = Template.parse(options.get("id", "{stream}:{ID}"))
    return MessageBuilder("EVENTS", SUBJECT, ("ID",), id_template=id_template, headers=headers)


def build(builder: MessageBuilder, record: dict[str, object]) -> Message:
    (message,) = builder.build([record], [encode(record)])
    return message


def test_the_templates_are_filled() -> None:
    message = build(builder(), {"ID": 7, "NOTE": None})
    assert message.id == "EVENTS:7"
    assert message.headers == {"Origin": "EVENTS/7", DIGEST_HEADER: message.digest}
    assert len(message.digest) == 32


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (1, "1"), (Decimal("1.50"), "1.50"), ("True", "True"), ([None], "[null]")],
)
def test_values_are_written_as_json_has_them(value: object, text: str) -> None:
    message = build(builder(header="{A}"), {"ID": value, "A": value})
    assert message.id == f"EVENTS:{text}"
    assert (message.headers or {})["Origin"] == text


def test_a_record_without_a_value_for_its_id_cannot_be_named() -> None:
    by_id = builder()
    assert by_id.lacks({"ID": 7}) is None
    assert by_id.lacks({"ID": None}) == by_id.lacks({"NOTE": 7}) == "ID"
    assert by_id.can_name_all([{"ID": 7}, {"ID": 0}])
    assert not by_id.can_name_all([{"ID": 7}, {}])


@given(VALUES, VALUES)
def test_any_value_makes_a_header_and_an_id_that_fit(first: object, second: object) -> None:
    message = build(builder(id="{A}:{B}", header="{A}-{B}"), {"A": first, "B": second})
    assert message.headers is not None
    for text in (message.id, message.headers["Origin"]):
        assert text.isascii()
        assert text.isprintable()
    assert len(message.id) <= MAX_NAME_CHARACTERS


@given(st.tuples(VALUES, VALUES), st.tuples(VALUES, VALUES))
def test_other_values_make_another_id(
    first: tuple[object, object], second: tuple[object, object]
) -> None:
    by_both = builder(id="{A}:{B}")
    ids = [build(by_both, dict(zip("AB", values, strict=True))).id for values in (first, second)]
    assert (ids[0] == ids[1]) == (tuple(map(text_of, first)) == tuple(map(text_of, second)))


def test_a_message_id_that_names_a_field_of_no_schema_is_refused() -> None:
    settings = TargetSettings.from_config(CONFIG | {"message_id": "{stream}:{id}"})
    settings.check_fields("EVENTS", ["id", "AT"])
    with pytest.raises(ConfigurationError, match="names id, which stream EVENTS does not have"):
        settings.check_fields("EVENTS", ["ID", "AT"])


def test_a_header_that_names_a_field_of_no_schema_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = TargetSettings.from_config(CONFIG | {"headers": {"Origin": "{id}"}})
    settings.check_fields("EVENTS", ["ID"])
    assert "setting `headers.Origin` names id, which stream EVENTS does not have" in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"message_id": "{ID"},
        {"message_id": "{}"},
        {"headers": {"Nats-Msg-Id": "{ID}"}},
        {"headers": {"a b": "{ID}"}},
        {"headers": {"A": "}"}},
        {"headers": {"A": "x\n{ID}"}},
        {"headers": {"A": "x\rNats-Rollup: all"}},
    ],
)
def test_a_template_that_cannot_work_is_refused_at_the_start(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="setting `"):
        TargetSettings.from_config(CONFIG | wrong)
