"""Whatever the data holds, a message gets a valid subject that the stream's filter covers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.settings import AllSettings
from target_nats_jetstream.subject import MAX_TOKEN_CHARACTERS, SubjectTemplate, token
from tests.target.records import RECORDS, VALUES

#: What nats-server 2.15 refuses in a subject, or takes for a level or a wildcard.
FORBIDDEN = set(" \t\r\n\0.*>")

LITERALS = st.text("abcXYZ019-_$", max_size=4)
FIELDS = st.sampled_from(["stream", "EVENT_TYPE", "a b", "x.y", "ä"])
LEVELS = st.lists(LITERALS | FIELDS.map("{{{}}}".format), min_size=1, max_size=3).map("".join)
TEMPLATES = st.lists(LEVELS.filter(bool), min_size=1, max_size=4).map(".".join)


def covers(pattern: str, subject: str) -> bool:
    """NATS's rule for filters without ``>``."""
    wanted, given_ = pattern.split("."), subject.split(".")
    return len(wanted) == len(given_) and all(
        want in {"*", have} for want, have in zip(wanted, given_, strict=True)
    )


@given(VALUES)
def test_every_value_becomes_exactly_one_token(value: object) -> None:
    text = token(value)
    assert 1 <= len(text) <= MAX_TOKEN_CHARACTERS
    assert not FORBIDDEN & set(text)
    assert text.isprintable() or any(ord(character) > 0x7F for character in text)


@given(st.text("abc-_ÄÖ€", min_size=1, max_size=MAX_TOKEN_CHARACTERS))
def test_a_value_that_is_a_token_stays_as_it_is(value: str) -> None:
    assert token(value) == value


@given(st.text(min_size=MAX_TOKEN_CHARACTERS), st.text(min_size=1))
def test_a_long_value_is_not_taken_for_its_own_beginning(start: str, more: str) -> None:
    assert token(start) != token(start + more)


@given(TEMPLATES, st.text("abc.* ", max_size=6), RECORDS)
def test_the_pattern_covers_every_subject_that_the_template_makes(
    template: str, stream: str, record: dict[str, object]
) -> None:
    parsed = SubjectTemplate.parse(template)
    for subject in (
        *parsed.subjects(stream, [record]),
        *parsed.subjects(stream, [{"EVENT_TYPE": stream, "a b": None, "x.y": ">", "ä": "."}]),
        parsed.sample(),
    ):
        assert covers(parsed.pattern(), subject)
        assert all(subject.split("."))
        assert not set(" \t\r\n\0*>") & set(subject)


@pytest.mark.parametrize(
    ("template", "record", "subject"),
    [
        ("txlog.events", {}, "txlog.events"),
        ("txlog.{EVENT_TYPE}", {"EVENT_TYPE": "PAID"}, "txlog.PAID"),
        ("txlog.{EVENT_TYPE}", {"EVENT_TYPE": "v1.2 *>"}, "txlog.v1_2___"),
        ("txlog.{EVENT_TYPE}", {"EVENT_TYPE": None}, "txlog._"),
        ("txlog.{EVENT_TYPE}", {"EVENT_TYPE": ""}, "txlog._"),
        ("txlog.{EVENT_TYPE}", {}, "txlog._"),
        ("{stream}.{A}-{B}.x", {"A": 1, "B": "b", "stream": "own"}, "TXLOG.1-b.x"),
        ("{x.y}", {"x.y": "top level", "x": {"y": "nested"}}, "top_level"),
    ],
)
def test_a_subject_is_the_template_with_its_fields_filled_in(
    template: str, record: dict[str, object], subject: str
) -> None:
    assert SubjectTemplate.parse(template).subjects("TXLOG", [record, record]) == [subject] * 2


@pytest.mark.parametrize(
    "template",
    [
        *("", ".", "a.", ".a", "a..b", "{A}.", "a b", "a\n", "a\u2003b", "a.\x00", "a.*", "a.>"),
        *("{", "}", "{}", "a.{", "a.{X", "a.X}", "a.{X}}", "a.{{X}}"),
    ],
)
def test_a_template_that_can_make_no_subject_is_refused_with_an_example(template: str) -> None:
    with pytest.raises(ConfigurationError, match=r"`subject`.*txlog\.\{EVENT_TYPE\}"):
        SubjectTemplate.parse(template)


@given(TEMPLATES, st.from_regex(r"[0-9]{4}", fullmatch=True), RECORDS)
def test_a_field_that_is_filled_in_makes_the_subject_that_its_value_would(
    template: str, number: str, record: dict[str, object]
) -> None:
    parsed = SubjectTemplate.parse(f"{template}.{{slice}}")
    (there,) = parsed.subjects("S", [{**record, "slice": number}])
    filled = parsed.filled("slice", number)
    assert filled.subjects("S", [record]) == [there]
    assert covers(parsed.pattern(), there)
    assert covers(filled.pattern(), there)


@pytest.mark.parametrize(
    ("config", "subject"),
    [
        ({"program_name": "M_AGENT#0003"}, "in.0003.S"),
        ({"program_name": "M_AGENT"}, "in.tail.S"),
        ({"program_name": "M#AGENT"}, "in.tail.S"),
        ({"program_name": "M_AGENT#"}, "in.tail.S"),
        ({}, "in.tail.S"),
    ],
)
def test_the_subject_of_a_slice_is_one_of_those_that_the_stream_takes(
    config: dict[str, str], subject: str
) -> None:
    found = AllSettings.from_config({"subject": "in.{slice}.{stream}", **config})
    assert found.target.subject_template.subjects("S", [{}]) == [subject]
    assert list(found.nats.stream_subjects) == ["in.*.*"]
