"""Finding, creating and updating the stream, and the check that it takes our subjects.

An existing stream is never changed unless the operator asks for it. The configuration is handled as
the server sends it, not as the client library knows it: an update must not drop fields of a newer
server.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.publisher.failures import Refused
from target_nats_jetstream.publisher.jetstream.definition import wanted_config
from target_nats_jetstream.publisher.jetstream.lifetime import EpochEnded
from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo, kept_by
from target_nats_jetstream.publisher.jetstream.subjects import captures, taken_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_nats_jetstream.publisher.jetstream.epoch import Epoch
    from target_nats_jetstream.publisher.settings import NatsSettings

STREAM_NOT_FOUND = 10059
#: The option of the NATS CLI by which a stream keeps the last message of each subject.
KEEP_LAST = "--max-msgs-per-subject=1"
#: A configuration that the server never takes; it comes with code 500, as passing troubles do.
INVALID_CONFIG = 10052
logger = logging.getLogger(__name__)


async def find_stream(epoch: Epoch, settings: NatsSettings) -> StreamInfo:
    """What the server says of the stream; it is created or updated first where that is asked for.

    Raises:
        ConfigurationError: There is no such stream, the server refuses its configuration, or it
            does not keep the last message of each subject and has to.
        EpochEnded: JetStream does not answer.
    """
    try:
        answer = await epoch.api(f"STREAM.INFO.{settings.stream}")
    except EpochEnded as ended:
        if not isinstance(ended.failure, Refused) or ended.failure.err_code != STREAM_NOT_FOUND:
            raise
        answer = await _create(epoch, settings)
    else:
        if settings.create_stream == "update":
            answer = await _update(epoch, settings, answer)
    info = _info(epoch, answer)
    _check_keeps_last(info, settings)
    return info


async def read_stream_info(epoch: Epoch, stream: str) -> StreamInfo:
    """What the server says of a stream that has to be there, because this run has published to it.

    Raises:
        EpochEnded: It is not, or JetStream does not answer.
    """
    return _info(epoch, await epoch.api(f"STREAM.INFO.{stream}"))


def _info(epoch: Epoch, answer: Mapping[str, Any]) -> StreamInfo:
    return StreamInfo.from_answer(
        answer, version=epoch.version, max_payload=epoch.max_payload, server=epoch.server
    )


async def _create(epoch: Epoch, settings: NatsSettings) -> dict[str, Any]:
    wanted = wanted_config(settings, epoch.version)
    subjects = wanted["subjects"]
    listed = ",".join(subjects)
    if settings.create_stream == "off":
        await _refuse_other_streams(epoch, settings.stream, subjects)
        reason = f"no stream captures subject {listed}: {settings.stream} does not exist"
        add = f"nats stream add {settings.stream} --subjects '{listed}'"
        raise ConfigurationError(reason, f"Create it (`{add}`) or set `create_stream: if_missing`")
    answer = await _change(epoch, "CREATE", wanted, wanted)
    logger.info(
        "created stream %s for %s", settings.stream, ", ".join(answer["config"]["subjects"])
    )
    return answer


async def _update(epoch: Epoch, settings: NatsSettings, answer: dict[str, Any]) -> dict[str, Any]:
    config = answer["config"]
    changes = {k: v for k, v in settings.stream_config.items() if not _holds(config.get(k), v)}
    if not changes:
        return answer
    answer = await _change(epoch, "UPDATE", config | changes, changes)
    logger.info("updated stream %s: %s", settings.stream, ", ".join(sorted(changes)))
    return answer


async def _change(
    epoch: Epoch, verb: str, config: Mapping[str, Any], wishes: Mapping[str, Any]
) -> dict[str, Any]:
    """Create or update, and see what came of it: old servers ignore what they do not know."""
    name = config["name"]
    try:
        answer = await epoch.api(f"STREAM.{verb}.{name}", config)
    except EpochEnded as ended:
        if (refused := _refusal(ended)) is None:
            raise
        reason = f"NATS refuses to {verb.lower()} stream {name}: {refused.description}"
        raise ConfigurationError(reason, "Check `stream_config` and `subject`") from ended
    taken = answer["config"]
    ignored = [key for key, wish in wishes.items() if wish and not _holds(taken.get(key), wish)]
    if ignored:
        logger.warning("stream %s: the server ignores %s", name, ", ".join(sorted(ignored)))
    return answer


def _refusal(ended: EpochEnded) -> Refused | None:
    """What the server has against a configuration; None where trying again may help."""
    failure = ended.failure
    if not isinstance(failure, Refused):
        return None
    return failure if failure.code < 500 or failure.err_code == INVALID_CONFIG else None


def _holds(actual: object, wanted: object) -> bool:
    """Whether a setting is as wanted; servers add members of their own to objects."""
    if isinstance(actual, dict) and isinstance(wanted, dict):
        return wanted.items() <= actual.items()
    return actual == wanted


def _check_keeps_last(info: StreamInfo, settings: NatsSettings) -> None:
    if settings.keeps_last and not info.keeps_last:
        needs = "`load_method: upsert` needs a stream that keeps one message per subject"
        reason = f"{needs}: {info.stream} has {kept_by(info)}"
        edit = f"`nats stream edit {info.stream} {KEEP_LAST}`"
        remedy = f"Change it ({edit}: removes all but the newest of each subject) or set `stream`"
        raise ConfigurationError(reason, remedy)


async def check_subjects(epoch: Epoch, info: StreamInfo, subjects: Sequence[str]) -> None:
    """Refuse to start where a subject would not reach the stream.

    Raises:
        ConfigurationError: Names the subject, and the stream that captures it where one does.
    """
    lost = [s for s in subjects if not any(captures(own, s) for own in info.subjects)]
    if not lost:
        return
    await _refuse_other_streams(epoch, info.stream, lost)
    listed = ", ".join(info.subjects) or "nothing"
    reason = f"no stream captures subject {lost[0]}; stream {info.stream} captures {listed}"
    add = f"Add {taken_by(lost[0])} to its subjects (`nats stream edit {info.stream}`)"
    raise ConfigurationError(reason, f"{add} or set `stream`")


async def _refuse_other_streams(epoch: Epoch, stream: str, subjects: Sequence[str]) -> None:
    for subject in subjects:
        try:
            answer = await epoch.api("STREAM.NAMES", {"subject": subject}, tolerant=True)
        except EpochEnded:
            epoch.check()
            return  # it is only to say more: the right to it is not needed
        others = [name for name in answer.get("streams") or () if name != stream]
        if others:
            reason = f"subject {subject} is captured by stream {others[0]}, not by {stream}"
            remedy = f"Set `stream: {others[0]}`, or change its subjects"
            raise ConfigurationError(reason, remedy)
