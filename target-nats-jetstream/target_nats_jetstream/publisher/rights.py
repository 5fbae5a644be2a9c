"""The least rights that NATS has to give, for the settings at hand.

A server reports a missing right only when it is used, and some are used for the first time in the
second run, or at the first dead letter. So these are tried at the start.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from target_nats_jetstream.publisher.jetstream.subjects import (
    captures,
    dead_letter_stream,
    dead_letter_subjects,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo
    from target_nats_jetstream.publisher.settings import NatsSettings

_API = "$JS.API"


class Right(NamedTuple):
    """A subject that the user has to be allowed to publish to, and what for."""

    subject: str
    purpose: str

    @property
    def is_for_runs(self) -> bool:
        """Whether a run needs it, and not only a command like ``--status``."""
        return not self.purpose.startswith("--")


def rights(settings: NatsSettings) -> list[Right]:
    """All rights to publish, for runs, ``--status`` and ``--replay-dead-letters``."""
    found = _own_subjects(settings)
    for prefix in _prefixes(settings.api_prefix):
        found += _of_api(settings, prefix)
    return found


def _own_subjects(settings: NatsSettings) -> list[Right]:
    found = [Right(subject, "messages") for subject in settings.stream_subjects]
    if settings.on_error == "dead_letter":
        found.append(Right(dead_letter_subjects(settings.stream), "dead letters"))
    return found


def _of_api(settings: NatsSettings, prefix: str) -> Iterator[Right]:
    for call, purpose in _calls(settings, settings.stream, dead_letter_stream(settings.stream)):
        yield Right(f"{prefix}.{call}", purpose)


def _prefixes(prefix: str) -> tuple[str, ...]:
    """Those of the API: a server of a domain itself knows only the one without the domain."""
    in_domain = prefix.startswith("$JS.") and prefix != _API
    return (prefix, _API) if in_domain else (prefix,)


def _calls(settings: NatsSettings, stream: str, letters: str) -> Iterator[tuple[str, str]]:
    creates = settings.create_stream != "off"
    yield f"STREAM.INFO.{stream}", "what the stream allows and holds"
    if creates:
        yield f"STREAM.CREATE.{stream}", "create_stream"
    if settings.create_stream == "update":
        yield f"STREAM.UPDATE.{stream}", "create_stream: update"
    yield f"STREAM.MSG.GET.{stream}", "whether a message of the same id is the same"
    yield f"CONSUMER.CREATE.{stream}.>", "what is stored already"
    yield f"CONSUMER.MSG.NEXT.{stream}.*", "what is stored already"
    yield f"CONSUMER.DELETE.{stream}.*", "what is stored already"
    yield f"STREAM.INFO.{letters}", "--status"
    if settings.on_error == "dead_letter":
        if creates:
            yield f"STREAM.CREATE.{letters}", "dead letters"
        yield f"STREAM.MSG.GET.{letters}", "--replay-dead-letters"
        yield f"STREAM.MSG.DELETE.{letters}", "--replay-dead-letters"


def probes(settings: NatsSettings, info: StreamInfo) -> Iterator[tuple[str, bytes]]:
    """Subjects and payloads that try the rights of which a run may learn too late.

    They change nothing that a server keeps, and nobody answers them: the consumer that they name is
    nobody's. But subscribers of the dead letters see one empty message, which no stream stores.

    A server counts some as errors of its API: those of the consumer are tried only where the start
    of a run does not read back anyway.
    """
    api, stream = settings.api_prefix, settings.stream
    consumer = f"probe_{secrets.token_hex(8)}"
    yield f"{api}.STREAM.MSG.GET.{stream}", b'{"seq": %d}' % max(info.last_seq, 1)
    if not (info.messages and settings.tail):
        for call in ("CREATE", "MSG.NEXT", "DELETE"):
            yield f"{api}.CONSUMER.{call}.{stream}.{consumer}", b""
    if settings.create_stream == "update":
        yield f"{api}.STREAM.UPDATE.{stream}", b""
    if settings.on_error == "dead_letter":
        yield dead_letter_subjects(stream).replace(">", "probe"), b""
        if settings.create_stream != "off":
            yield f"{api}.STREAM.CREATE.{dead_letter_stream(stream)}", b""


def trials(settings: NatsSettings) -> tuple[list[str], list[str]]:
    """A subject of each right, to be tried with an empty message: those that others may listen to,
    and those of the API, which takes none for a question.
    """
    probe = f"probe_{secrets.token_hex(8)}"
    kinds = _own_subjects(settings), _of_api(settings, settings.api_prefix)
    own, api = (
        [right.subject.replace("*", probe).replace(">", probe) for right in kind] for kind in kinds
    )
    return own, api


def nobody(settings: NatsSettings) -> str:
    """A subject to which a run may publish, and nobody listens."""
    consumer = f"probe_{secrets.token_hex(8)}"
    return f"{settings.api_prefix}.CONSUMER.MSG.NEXT.{settings.stream}.{consumer}"


def right_for(settings: NatsSettings, subject: str) -> str | None:
    """The right that allows publishing to ``subject``, as it is printed; None for none of these.

    Args:
        settings: Of the run.
        subject: In lower case, as the client reports it.
    """
    known = (right.subject for right in rights(settings))
    return next((one for one in known if captures(one.lower(), subject)), None)


def as_server_config(settings: NatsSettings) -> str:
    """The permissions of the user, as they stand in the configuration of nats-server."""
    lines = [(_quoted(right.subject), right.purpose) for right in rights(settings)]
    width = max(len(subject) for subject, _ in lines)
    allowed = "\n".join(f"      {subject:<{width}}  # {purpose}" for subject, purpose in lines)
    inbox = _quoted(f"{settings.inbox_prefix}.>")
    return (
        f"permissions {{\n  publish {{\n    allow: [\n{allowed}\n    ]\n  }}\n"
        f"  subscribe {{\n    allow: [\n      {inbox}\n    ]\n  }}\n}}"
    )


def _quoted(subject: str) -> str:
    escaped = subject.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
