"""All checks, in the order in which things have to be put right."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from target_nats_jetstream.diagnosis import Line, failed
from target_nats_jetstream.doctor import nats, stream
from target_nats_jetstream.doctor.ask_ledger import examine_ledger
from target_nats_jetstream.doctor.ask_nats import Visit, visit
from target_nats_jetstream.errors import ConfigurationError, TargetError, unexpected
from target_nats_jetstream.identity import pipeline_text
from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo
from target_nats_jetstream.publisher.letter_file import count_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_nats_jetstream.publisher.settings import NatsSettings
    from target_nats_jetstream.settings import AllSettings

SECONDS: Final = 10.0
"""No server is waited for any longer."""


def examine(settings: AllSettings) -> Iterator[Line]:
    """Check NATS and the ledger; what is wrong with one of them keeps nobody from the other."""
    seconds = min(settings.nats.connect_timeout, SECONDS)
    whole = msgspec.structs.replace(settings.nats, connect_timeout=seconds)
    sample = settings.target.subject_template.sample()
    try:
        found = visit(whole, sample)
        pipeline = pipeline_text(settings.ledger.program_name)
        yield from _about_nats(whole, sample, pipeline, found)
    except TargetError as error:
        yield Line("Connection", "login", failed(error.reason, error.remedy, type(error)))
    except Exception as error:  # noqa: BLE001 - it must not hide the ledger
        told = unexpected(error)
        yield Line("Connection", "answers", failed(told.reason, told.remedy, type(told)))
    yield from _letter_file(settings.nats)
    yield from examine_ledger(settings.ledger)


def _about_nats(settings: NatsSettings, sample: str, pipeline: str, found: Visit) -> Iterator[Line]:
    yield Line("Connection", "login", nats.login(settings, found.server, found.version))
    if found.unreached:
        yield Line("Connection", "servers", nats.unreached(found.unreached))
    encrypted = found.is_encrypted
    encryption = nats.encryption(settings, found.server, is_encrypted=encrypted)
    yield Line("Connection", "TLS", encryption)
    for finding in nats.privileges(settings, found.refused):
        yield Line("Privileges", "publish", finding)
    if (error := found.failure) is not None:
        place = ("Privileges", "answers") if found.is_deaf else ("Connection", "JetStream")
        yield Line(*place, failed(error.reason, error.remedy, type(error)))
    info = None
    if found.stream is not None:
        info = _info(settings, found)
        yield from _about_stream(settings, sample, found, info)
    if found.newest is not None:
        yield Line("Stream", "writers", nats.writers(pipeline, found.newest))
    if found.stream:
        yield Line("Time", "clock", nats.clock(found.clock_ahead))
    if settings.on_error == "dead_letter" and found.letters is not None:
        yield Line("Letters", "stream", nats.letters(settings, found.letters, info))


def _info(settings: NatsSettings, found: Visit) -> StreamInfo:
    """The stream as a run will find it."""
    answer = stream.expected(settings, found.stream or {}, found.version)
    return StreamInfo.from_answer(
        answer, version=found.version, max_payload=found.max_payload, server=found.server
    )


def _about_stream(
    settings: NatsSettings, sample: str, found: Visit, info: StreamInfo
) -> Iterator[Line]:
    if found.stream:
        existence = stream.kind(settings, info)
    else:
        existence = stream.existence(settings, found.version, sample, found.captors)
    yield Line("Stream", "stream", existence)
    if existence.status == "failed":
        return
    captured = stream.subjects(settings, info, sample, found.captors)
    yield Line("Stream", "subjects", captured)
    if settings.keeps_last:
        yield Line("Stream", "load method", stream.keeps_last(settings, info))
    cluster = (found.stream or {}).get("cluster") or {}
    yield Line("Stream", "storage", stream.storage(settings, info, cluster))
    yield Line("Stream", "room", stream.room(settings, info))
    yield Line("Stream", "message size", stream.message_size(settings, info))
    yield Line("Stream", "duplicates", stream.duplicates(settings, info))
    yield Line("Stream", "mode", stream.mode(settings, info))


def _letter_file(settings: NatsSettings) -> Iterator[Line]:
    """The file of dead letters, where one may be written or some wait in it."""
    path = Path(settings.dead_letter_file)
    is_wanted = settings.on_error == "dead_letter"
    is_writable = os.access(path if path.exists() else path.parent, os.W_OK) and not path.is_dir()
    try:
        waiting = count_in(path) if path.is_file() else 0
    except ConfigurationError as error:
        yield Line("Letters", "file", failed(error.reason, error.remedy, type(error)))
        return
    if is_wanted or waiting:
        found = nats.letter_file(str(path), waiting, is_writable=is_writable or not is_wanted)
        yield Line("Letters", "file", found)
