"""The settings of everything that has to do with NATS.

A ``NatsSettings`` that exists is free of contradictions and holds the secrets themselves, never the
names of files: logins in URLs and files are taken apart when it is made.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from msgspec import Meta
from typing_extensions import override

from target_nats_jetstream.config import Settings, from_file, old, refuse, secret, setting
from target_nats_jetstream.publisher.servers import parsed_servers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECONDS_PER_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
NANOSECONDS = 10**9
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*")
_NKEY_SEED = re.compile(r"SU[A-Z2-7]{56}")
_PARTS_OF_CREDS = ("BEGIN NATS USER JWT", "BEGIN USER NKEY SEED")
_STREAM_NAME = re.compile(r"[^\s.*>/\\\x00-\x1f\x7f]+")
_TOKENS = re.compile(r"[^\s.*>\x00-\x1f\x7f]+(\.[^\s.*>\x00-\x1f\x7f]+)*\.?")


Delays = Annotated[
    tuple[Annotated[float, Meta(ge=0)], ...],
    setting(
        "Seconds before each retry, of NATS and of the ledger's database, separated by commas; the "
        "last one repeats. NATS takes a random part of up to half off.",
        min_length=1,
    ),
]
BACKOFF = (0.1, 0.2, 0.4, 0.8, 1.6, 2)


class NatsSettings(Settings, frozen=True, kw_only=True):
    """How to reach the stream and how to fill it; durations in seconds.

    ``stream_subjects`` are the subjects that the messages can have: a stream that is created
    captures these, unless ``stream_config`` says otherwise.
    """

    never_blank = ("servers", "stream")

    servers: Annotated[
        tuple[str, ...],
        secret("URLs of the NATS servers, as a list or separated by commas. nats:// or tls://."),
    ] = ("nats://localhost:4222",)
    user: Annotated[str | None, setting("User name.")] = None
    password: Annotated[
        str | None, secret("Password of the user; without a user, an authentication token.")
    ] = None
    password_file: Annotated[str | None, setting("File that holds it.")] = None
    creds: Annotated[
        str | None,
        secret(
            "A file of credentials, or its content: a .creds file (JWT and seed), or the seed of "
            "an NKey user, which begins with SU."
        ),
    ] = None
    tls_ca: Annotated[
        str | None, setting("PEM file of the authority that signed the server's certificate.")
    ] = None
    tls_cert: Annotated[str | None, setting("PEM file of the client certificate.")] = None
    tls_key: Annotated[str | None, setting("PEM file of the client certificate's key.")] = None
    tls_hostname: Annotated[
        str | None, setting("Name in the server's certificate when it is not in the URL.")
    ] = None
    tls_first: Annotated[
        bool,
        setting("Shake hands before the server's first line, for servers with handshake_first."),
    ] = False
    inbox_prefix: Annotated[
        str,
        setting("Subject prefix for answers, for users who may not subscribe to _INBOX.>."),
    ] = "_INBOX"
    domain: Annotated[
        str | None,
        setting(
            "JetStream domain of the stream; or, with a dot in it, the prefix under which the "
            "JetStream API is imported, such as imported.api."
        ),
    ] = None
    stream: Annotated[str, setting("JetStream stream that takes the messages.")] = "TXLOG_STREAM"
    create_stream: Annotated[
        Literal["off", "if_missing", "update"],
        setting(
            "off: the stream must exist. if_missing: create it. update: create it, or bring an "
            "existing one to stream_config."
        ),
    ] = "off"
    stream_config: Annotated[
        dict[str, Any],
        setting(
            "Settings of a stream that is created or updated, in JetStream's words: subjects, "
            "storage, replicas, max_age, max_bytes, max_msgs, max_msg_size, discard, "
            "duplicate_window, compression, retention, placement, allow_atomic, allow_batched. "
            "Durations in seconds or like 2m, 24h."
        ),
    ] = {}  # noqa: RUF012 - msgspec makes a new one for each
    publish_mode: Annotated[
        Literal["auto", "fast", "atomic", "window", "sync"],
        setting(
            "auto: the fastest mode that keeps the order. fast: one answer for hundreds of "
            "messages. atomic: batches that are stored as a whole or not at all. window: many "
            "messages in flight, an answer for each. sync: one by one."
        ),
    ] = "auto"
    batch_size: Annotated[
        int, setting("Messages in a batch; the servers' limit for atomic ones is 1000.", ge=1)
    ] = 1000
    max_in_flight: Annotated[
        int, old("remove it; `publish_mode: sync` sends messages one by one", ge=1)
    ] = 4000
    ack_timeout: Annotated[
        float, setting("Seconds without an answer before a connection is closed.", ge=0.1)
    ] = 10
    connect_timeout: Annotated[float, setting("Seconds to wait for NATS at the start.", ge=0.1)] = (
        10
    )
    max_outage: Annotated[
        float, setting("Seconds without progress after which a run fails.", ge=0)
    ] = 300
    dedupe_tail: Annotated[
        Annotated[int, Meta(ge=0)] | Literal["all"],
        setting(
            "Newest messages of this pipeline to read back before publishing, besides everything "
            "after the state that the tap starts from, so that none is stored twice. all reads the "
            "whole stream; 0 relies on the stream's duplicate window."
        ),
    ] = 50_000
    on_unknown_past: Annotated[
        Literal["warn", "fail"],
        setting(
            "What to do if it is unknown where the tap starts, and the stream holds more than "
            "dedupe_tail reads back: warn logs the numbers and continues, fail ends the run."
        ),
    ] = "warn"
    on_error: Annotated[
        Literal["fail", "dead_letter"],
        setting(
            "What to do with a message that cannot be published: fail ends the run, dead_letter "
            "puts it into the stream <stream>_DLQ."
        ),
    ] = "fail"
    dead_letter_file: Annotated[
        str, setting("JSON lines file for dead letters that NATS does not accept.")
    ] = "dead_letters.jsonl"
    backoff: Delays = BACKOFF
    stream_subjects: tuple[str, ...] = ()
    checkpoint_seconds: float = 0
    keeps_last: bool = False
    """Whether the stream has to keep the last message of each subject, and no other one."""

    @property
    def tail(self) -> float:
        """Of ``dedupe_tail``: a number of messages, infinity for all."""
        return float("inf") if self.dedupe_tail == "all" else self.dedupe_tail

    @property
    def api_prefix(self) -> str:
        """What the subjects of the JetStream API begin with."""
        domain = self.domain or "$JS.API"
        return domain.rstrip(".") if "." in domain else f"$JS.{domain}.API"

    @classmethod
    @override
    def from_config(
        cls,
        config: Mapping[str, Any],
        stream_subjects: Sequence[str] = (),
        checkpoint_seconds: float = 0,
        *,
        keeps_last: bool = False,
    ) -> Self:
        """Read the settings of NATS out of a whole config; what is absent has its default.

        Args:
            config: All settings of the target; other clients' are ignored.
            stream_subjects: The subjects that the messages can have.
            checkpoint_seconds: How old the state of a killed run can be.
            keeps_last: As the field.

        Raises:
            ConfigurationError: A value does not fit, a file cannot be read, or two settings
                contradict each other.
        """
        given = cls._given(config)
        from_file(given, ["password"])
        if isinstance(given.get("creds"), str):
            given["creds"] = _credentials(given["creds"])
        login: dict[str, str] = {}
        if "servers" in given:
            given["servers"], login = parsed_servers(given["servers"])
        given |= _one_login(given, login)
        if "stream_config" in given:
            given["stream_config"] = _stream_config(given["stream_config"])
        given["stream_subjects"] = stream_subjects
        given["checkpoint_seconds"] = checkpoint_seconds
        given["keeps_last"] = keeps_last
        return cls._converted(given)

    def __post_init__(self) -> None:
        """Refuse what contradicts itself, or cannot be: nats-py looks into such keys for ever."""
        if not _STREAM_NAME.fullmatch(self.stream):
            refuse("stream", "is not a stream name", "Use a name without blanks and . * > / \\")
        if not self.servers:
            refuse("servers", "names no server", "Set one, like nats://host:4222")
        self._check_subjects()
        if self.stream_config.get("name", self.stream) != self.stream:
            refuse("stream_config.name", "is not that of `stream`", "Remove it, or set `stream`")
        for name in ("tls_ca", "tls_cert", "tls_key"):
            if (path := getattr(self, name)) and not Path(path).is_file():
                refuse(name, "does not name a file", "Check the path")
        if bool(self.tls_cert) != bool(self.tls_key):
            missing = "tls_key" if self.tls_cert else "tls_cert"
            refuse(missing, "is missing: a client certificate needs its key", f"Set `{missing}`")

    def _check_subjects(self) -> None:
        for name in ("domain", "inbox_prefix"):
            if (text := getattr(self, name)) and not _TOKENS.fullmatch(text):
                refuse(name, "is not part of a subject", "Use tokens without blanks and * >")


def _credentials(text: str) -> str:
    """The content of ``creds``, which may name a file."""
    content = text
    if not _are_credentials(text):
        try:
            content = Path(text).read_text(encoding="utf-8")
        except (OSError, ValueError):
            refuse("creds", "is neither credentials nor a file that can be read", "Check it")
    if not _are_credentials(content):
        what = "is a file that holds neither a JWT and a seed, nor an NKey seed"
        refuse("creds", what, "Use a whole .creds file, or a seed that begins with SU")
    return content.strip()


def _are_credentials(text: str) -> bool:
    is_seed = _NKEY_SEED.fullmatch(text.strip()) is not None
    return is_seed or all(part in text for part in _PARTS_OF_CREDS)


def _stream_config(wishes: object) -> dict[str, Any]:
    """The wishes in the words of the JetStream API: seconds become nanoseconds."""
    if not isinstance(wishes, dict):
        refuse("stream_config", "is not an object", "Set a mapping or a JSON object")
    found = dict(wishes)
    if "replicas" in found:
        found["num_replicas"] = found.pop("replicas")
    if not _are_texts(found.get("subjects", [])):
        refuse("stream_config.subjects", "is not a list of texts", "Set subjects like txlog.>")
    for name in {"max_age", "duplicate_window"} & found.keys():
        found[name] = _nanoseconds(f"stream_config.{name}", found[name])
    return found


def _are_texts(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(one, str) for one in found)


def _nanoseconds(name: str, value: object) -> int:
    found = _DURATION.fullmatch(str(value))
    if not found:
        refuse(name, "is not a duration", "Set seconds, or a number with ms, s, m, h or d")
    return round(float(found[1]) * SECONDS_PER_UNIT[found[2] or "s"] * NANOSECONDS)


def _one_login(own: Mapping[str, Any], from_url: Mapping[str, str]) -> dict[str, Any]:
    """The login to use: what is set by itself goes before what stands in a URL; never two kinds."""
    given = {name: own[name] for name in ("user", "password", "creds") if own.get(name)}
    if from_url and "user" not in given and "password" in given:
        refuse("password", "is set without `user`, beside a login in `servers`", "Keep one of them")
    given = given or dict(from_url)
    first = next(iter(given), "creds")
    if "creds" in given and first != "creds":
        refuse(first, "and `creds` are both set", "Keep one way to log in")
    if "user" in given and "password" not in given:
        refuse("password", "is missing: a login needs `user` and `password`", "Set `password`")
    return given
