"""What the answers of NATS mean, beside those about the stream: login, rights, clock, writers,
dead letters. Pure.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from target_nats_jetstream.diagnosis import Finding, failed, passed, warning
from target_nats_jetstream.doctor.commands import create_stream, edit_stream
from target_nats_jetstream.encryption import is_local
from target_nats_jetstream.errors import AccessDeniedError, ConfigurationError
from target_nats_jetstream.publisher.jetstream.definition import letters_config
from target_nats_jetstream.publisher.jetstream.subjects import (
    captures,
    dead_letter_stream,
    dead_letter_subjects,
)
from target_nats_jetstream.publisher.known import is_own
from target_nats_jetstream.publisher.log import format_duration
from target_nats_jetstream.publisher.rights import right_for, rights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from target_nats_jetstream.publisher.jetstream.stored import Stored
    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo
    from target_nats_jetstream.publisher.settings import NatsSettings

CLOCK_SECONDS: Final = 5.0
"""Clocks may be apart by so much: times of messages, lag and ages are told in seconds."""


def login(settings: NatsSettings, server: str, version: tuple[int, int, int]) -> Finding:
    """Who we are, and where."""
    whom = settings.user or ("a key" if settings.creds else "")
    whom = whom or ("a token" if settings.password else "nobody in particular")
    return passed(f"{whom} at {server}, nats-server {'.'.join(map(str, version))}")


def unreached(servers: Sequence[str]) -> Finding:
    """Servers that the settings name and that do not answer, beside one that does."""
    text = f"{'; '.join(servers)}: the run goes on with the others"
    return warning(text, "Start them, or take them out of `servers`")


def encryption(settings: NatsSettings, server: str, *, is_encrypted: bool) -> Finding:
    """Whether anybody on the way can read along."""
    if is_encrypted:
        return passed("TLS")
    if is_local(urlsplit(server).hostname):
        return passed("no TLS, within this machine")
    if settings.password:
        text = f"no TLS: the password and all messages travel in clear to {server}"
        return warning(text, "Turn on TLS there, and write tls:// in `servers`")
    return passed("no TLS: all messages travel in clear")


def privileges(settings: NatsSettings, refused: set[str]) -> Iterator[Finding]:
    """A finding for each right that is missing, else one for all."""
    missing = {right_for(settings, subject) or subject for subject in refused}
    for right in rights(settings):
        if right.subject in missing:
            yield _missing(settings, right.subject, right.purpose, is_for_runs=right.is_for_runs)
    if not missing:
        yield passed("all that is needed is allowed (--print-nats-permissions lists it)")


def _missing(settings: NatsSettings, subject: str, purpose: str, *, is_for_runs: bool) -> Finding:
    whom = f" for user {settings.user}" if settings.user else ""
    text = f"NATS refuses publish to {subject}{whom}: {purpose}"
    remedy = f"Allow publishing to `{subject}` (--print-nats-permissions shows all it needs)"
    return failed(text, remedy, AccessDeniedError) if is_for_runs else warning(text, remedy)


def clock(ahead: float | None) -> Finding:
    """This machine's clock beside the server's."""
    if ahead is None:
        return passed("the server does not tell its time")
    text = f"this machine is {format_duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'}"
    if abs(ahead) > CLOCK_SECONDS:
        wrong = f"{text} the server: times in ETL_PRMREC and the lag are wrong by as much"
        return warning(wrong, "Have both clocks set by NTP")
    return passed("this machine and the server tell the same time")


def writers(pipeline: str, newest: Sequence[Stored]) -> Finding:
    """Who has written the newest messages on our subjects."""
    others = Counter(
        one.pipeline or "without a name"
        for one in newest
        if not is_own(one.id, one.pipeline, pipeline)
    )
    if not newest:
        return passed("no message on our subjects among the newest")
    if not others:
        return passed(f"the newest {len(newest)} messages are of {pipeline}")
    listed = ", ".join(f"{name} ({count})" for name, count in others.most_common(3))
    return warning(
        f"{others.total()} of the newest {len(newest)} messages on our subjects are not of "
        f"{pipeline}: {listed}",
        "Give each pipeline a `subject` of its own, or the `program_name` that it had before, "
        "unless they are to share it: the order holds within each of them",
    )


def letters(settings: NatsSettings, answer: Mapping[str, Any], info: StreamInfo | None) -> Finding:
    """Whether dead letters have a place in NATS; if not, they go to the file."""
    stream = dead_letter_stream(settings.stream)
    subjects = dead_letter_subjects(settings.stream)
    to_file = f"dead letters go to {settings.dead_letter_file}"
    if info is not None and any(captures(own, subjects) for own in info.subjects):
        text = f"stream {info.stream} captures {subjects}, so {stream} cannot: {to_file}"
        return warning(text, f"Take {subjects} out of the subjects of {info.stream}")
    if not answer and settings.create_stream == "off":
        fix = create_stream(settings, letters_config(settings.stream, info.version)) if info else ""
        text = f"{stream} does not exist: {to_file}"
        return warning(text, "Create it, or set `create_stream: if_missing`", fix)
    if not answer:
        return passed(f"{stream} does not exist yet; the first dead letter creates it")
    config = answer["config"]
    if not any(captures(own, subjects) for own in config.get("subjects") or ()):
        fix = edit_stream(settings, f"--subjects={subjects}", stream=stream)
        return warning(f"{stream} does not capture {subjects}: {to_file}", "Add the subject", fix)
    if config.get("sealed") or config.get("mirror"):
        kind = "sealed" if config.get("sealed") else "a mirror"
        return warning(f"{stream} is {kind}: {to_file}", "Make it anew")
    return passed(f"{stream}: {answer['state']['messages']:,} dead letters")


def letter_file(path: str, waiting: int, *, is_writable: bool) -> Finding:
    """Whether the file can be written that takes what NATS does not, and is empty."""
    if is_writable and waiting:
        text = f"{waiting:,} dead letters wait in {path}"
        return warning(text, "Remove their cause, then run --replay-dead-letters")
    if is_writable:
        return passed(f"{path} can be written")
    text = f"{path} cannot be written: a dead letter that NATS does not accept ends the run"
    return failed(
        text, "Set `dead_letter_file` to a file in a folder that exists", ConfigurationError
    )
