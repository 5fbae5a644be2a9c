"""What the answer to STREAM.INFO means for a run. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_nats_jetstream.diagnosis import Finding, failed, passed, warning
from target_nats_jetstream.doctor.commands import create_stream, edit_stream
from target_nats_jetstream.errors import ConfigurationError, TargetError
from target_nats_jetstream.publisher.jetstream.definition import wanted_config
from target_nats_jetstream.publisher.jetstream.stream import KEEP_LAST
from target_nats_jetstream.publisher.jetstream.stream_info import ATOMIC_SINCE, StreamInfo, kept_by
from target_nats_jetstream.publisher.jetstream.subjects import captures, taken_by
from target_nats_jetstream.publisher.limits import size_limit
from target_nats_jetstream.publisher.log import format_duration, restart_seconds, unrecognised
from target_nats_jetstream.publisher.modes.choice import choose_mode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_nats_jetstream.publisher.settings import NatsSettings

SMALL_MESSAGE: Final = 64 * 1024
"""Rows with a document in them are often larger than this (bytes)."""
NEARLY: Final = 0.8
"""A limit of which so much is used is worth a warning."""
LONG_ENOUGH: Final = 3600.0
"""Consumers that are away for so many seconds must not miss any message."""

_EMPTY: Final = {"messages": 0, "first_seq": 0, "last_seq": 0}


def expected(
    settings: NatsSettings, answer: Mapping[str, Any], version: tuple[int, int, int]
) -> dict[str, Any]:
    """The answer as it will be once a run has created or updated the stream."""
    if not answer:
        return {"config": wanted_config(settings, version), "state": _EMPTY}
    wishes = settings.stream_config if settings.create_stream == "update" else {}
    return {**answer, "config": {**answer["config"], **wishes}}


def existence(
    settings: NatsSettings, version: tuple[int, int, int], sample: str, captors: Sequence[str]
) -> Finding:
    """What follows from there being no such stream."""
    if captors:
        text = f"subject {sample} is captured by stream {captors[0]}, not by {settings.stream}"
        remedy = f"Set `stream: {captors[0]}`, or change its subjects"
        return failed(text, remedy, ConfigurationError)
    if settings.create_stream != "off":
        return passed(f"{settings.stream} does not exist yet; the first run creates it")
    return failed(
        f"{settings.stream} does not exist",
        "Create it, or set `create_stream: if_missing`",
        ConfigurationError,
        create_stream(settings, wanted_config(settings, version)),
    )


def kind(settings: NatsSettings, info: StreamInfo) -> Finding:
    """Whether the stream takes and acknowledges messages at all."""
    if info.sealed:
        text = f"{info.stream} is sealed: it takes no more messages"
        return failed(text, "Set `stream` to another one", ConfigurationError)
    if info.mirrors:
        text = f"{info.stream} is a mirror of {info.mirrors}: nobody can publish to it"
        return failed(text, f"Set `stream: {info.mirrors}`", ConfigurationError)
    if not info.acknowledges:
        text = f"{info.stream} acknowledges nothing (no_ack), so nothing is known to be stored"
        fix = edit_stream(settings, "--ack")
        return failed(text, "Have it acknowledge messages", ConfigurationError, fix)
    return passed(f"{info.stream}, {info.messages:,} messages")


def subjects(
    settings: NatsSettings, info: StreamInfo, sample: str, captors: Sequence[str]
) -> Finding:
    """Whether our messages reach the stream."""
    listed = ", ".join(info.subjects) or "nothing"
    if any(captures(own, sample) for own in info.subjects):
        return passed(f"{sample} is captured by {listed}")
    if captors:
        text = f"subject {sample} is captured by stream {captors[0]}, not by {info.stream}"
        remedy = f"Set `stream: {captors[0]}`, or change its subjects"
        return failed(text, remedy, ConfigurationError)
    every = ",".join((*info.subjects, *map(taken_by, settings.stream_subjects)))
    return failed(
        f"no stream captures subject {sample}; stream {info.stream} captures {listed}",
        "Add the subject to the stream, or set `subject`",
        ConfigurationError,
        edit_stream(settings, f"--subjects={every}"),
    )


def keeps_last(settings: NatsSettings, info: StreamInfo) -> Finding:
    """Whether the stream keeps the last message of each key, as upsert needs it."""
    if info.keeps_last:
        return passed("upsert: one message per subject")
    text = f"upsert needs one message per subject; {info.stream} has {kept_by(info)}"
    remedy = "Change it, which removes all but the newest message of each subject, or set `stream`"
    return failed(text, remedy, ConfigurationError, edit_stream(settings, KEEP_LAST))


def storage(settings: NatsSettings, info: StreamInfo, cluster: Mapping[str, Any]) -> Finding:
    """Whether messages outlive a server."""
    if info.storage == "memory":
        text = "memory: its messages are gone when the server restarts"
        return warning(text, "Use a stream with storage: file")
    peers = cluster.get("replicas") or ()
    if away := [peer["name"] for peer in peers if peer.get("offline") or not peer.get("current")]:
        text = f"R{info.replicas}, but {', '.join(away)} is offline or behind"
        return warning(text, "Start that server, and let it catch up")
    if cluster.get("name") and info.replicas == 1:
        text = (
            f"R1 in cluster {cluster['name']}: it is away with one server, and lost with its disk"
        )
        return warning(text, "Give it three replicas", edit_stream(settings, "--replicas=3"))
    return passed(f"{info.storage}, R{info.replicas}")


def room(settings: NatsSettings, info: StreamInfo) -> Finding:
    """Whether there is room for what is to come, and how long messages stay."""
    used = _used(info)
    name, part = max(used.items(), key=lambda one: one[1], default=("", 0.0))
    shown = f"{part:.0%} of {name} {getattr(info, name, 0):,}"
    more = edit_stream(settings, f"--{name.replace('_', '-')}={2 * getattr(info, name, 0)}")
    if name and info.discard == "new":
        if part >= 1:
            text = f"full ({shown}): it refuses messages (discard: new)"
            return failed(text, "Raise the limit, or remove messages", TargetError, more)
        text = f"{shown} is used; when it is full, it refuses messages (discard: new)"
        return warning(text, "Raise the limit", more) if part >= NEARLY else passed(text)
    if 0 < info.max_age < LONG_ENOUGH:
        text = f"messages are removed after {format_duration(info.max_age)}, read or not (max_age)"
        return warning(text, "Raise the limit", edit_stream(settings, "--max-age=7d"))
    if part >= NEARLY and info.first_seq > 1 and info.oldest < LONG_ENOUGH:
        old = format_duration(info.oldest)
        text = f"{shown}: the oldest message is {old} old, older ones are removed, read or not"
        return warning(text, "Raise the limit", more)
    return passed(f"{shown}; then the oldest are removed" if name else "no limit to their number")


def _used(info: StreamInfo) -> dict[str, float]:
    """How much of each limit is used; 1 where another message of the usual size has no room."""
    usual = info.bytes / info.messages if info.messages else 0
    held = {"max_msgs": info.messages, "max_bytes": info.bytes}
    found = {}
    for name, used in held.items():
        if (limit := getattr(info, name)) >= 0:
            next_one = usual if name == "max_bytes" else 1
            found[name] = 1.0 if info.messages and used + next_one > limit else used / limit
    return found


def message_size(settings: NatsSettings, info: StreamInfo) -> Finding:
    """Whether rows of a usual size fit."""
    limit = size_limit(info)
    if limit >= SMALL_MESSAGE:
        return passed(f"{limit:,} bytes with headers")
    text = f"larger ones than {limit:,} bytes are refused"
    if limit == info.max_payload:
        return warning(f"{text} (max_payload)", "Raise max_payload in the server's configuration")
    fix = edit_stream(settings, "--max-msg-size=1MiB")
    return warning(f"{text} (max_msg_size)", "Raise it, unless all rows are small", fix)


def duplicates(settings: NatsSettings, info: StreamInfo) -> Finding:
    """Whether what a killed run has stored is recognised when it is sent again."""
    text = unrecognised(settings, info)
    if not text:
        more = ", beyond it the newest messages are read back" if settings.tail else ""
        return passed(f"window {format_duration(info.duplicate_window)}{more}")
    needed = restart_seconds(settings)
    if info.duplicate_window < needed:
        fix = edit_stream(settings, f"--dupe-window={max(120, round(2 * needed))}s")
        return warning(text, "Make the window longer", fix)
    return warning(text, "Use a stream with retention: limits and without subject_transform")


def mode(settings: NatsSettings, info: StreamInfo) -> Finding:
    """Whether messages can be sent as `publish_mode` says, and fast."""
    asked = settings.publish_mode
    choice = choose_mode(asked, info)
    text = f"mode {choice.mode}: {choice.why}"
    if choice.mode == "window" and not info.window_keeps_order:
        text = "mode window may change the order when the leader changes or the stream is full"
        return warning(text, "Set `publish_mode: auto`, and allow_atomic on the stream")
    if choice.mode == asked or (asked == "auto" and choice.mode in {"fast", "atomic"}):
        return passed(text)
    if asked == "fast":
        wish = '`create_stream: update` with `stream_config: {"allow_batched": true}`'
        return warning(text, f"Set allow_batched on the stream (nats-server 2.14), or {wish}")
    if info.version < ATOMIC_SINCE:
        upgrade = warning(text, "Upgrade nats-server to 2.12.1, or set `publish_mode: auto`")
        return passed(text) if asked == "auto" else upgrade
    fix = edit_stream(settings, "--allow-batch")
    return warning(text, "Allow batches on the stream: single messages are slower", fix)
