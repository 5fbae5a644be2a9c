"""The schema of the settings for NATS: what ``--about``, Meltano and the checks read. Data only."""

from __future__ import annotations

from typing import Any

from target_nats_jetstream.config import FLAG, INTEGER, NUMBER, described


def _secret(title: str, description: str) -> dict[str, Any]:
    return described("string", title, description, secret=True)


PROPERTIES: dict[str, dict[str, Any]] = {
    "servers": described(
        ["string", "array"],
        "Servers",
        "URLs of the NATS servers, as a list or separated by commas. nats:// or tls://.",
        "nats://localhost:4222",
        items={"type": "string"},
    ),
    "user": described("string", "User", "User name."),
    "password": _secret("Password", "Password of the user."),
    "password_file": described("string", "Password file", "File that holds the password."),
    "token": _secret("Token", "Authentication token."),
    "token_file": described("string", "Token file", "File that holds the token."),
    "creds": _secret("Credentials", "Content of a .creds file (JWT and seed)."),
    "creds_file": described("string", "Credentials file", "A .creds file (JWT and seed)."),
    "nkey_seed": _secret("NKey seed", "Seed of an NKey user, beginning with SU."),
    "nkey_seed_file": described("string", "NKey seed file", "File that holds the NKey seed."),
    "tls_ca": described(
        "string", "TLS CA", "PEM file of the authority that signed the server's certificate."
    ),
    "tls_cert": described("string", "TLS certificate", "PEM file of the client certificate."),
    "tls_key": described("string", "TLS key", "PEM file of the client certificate's key."),
    "tls_hostname": described(
        "string", "TLS host name", "Name in the server's certificate when it is not in the URL."
    ),
    "tls_first": described(
        FLAG,
        "TLS first",
        "Shake hands before the server's first line, for servers with handshake_first.",
        default=False,
    ),
    "inbox_prefix": described(
        "string",
        "Inbox prefix",
        "Subject prefix for answers, for users who may not subscribe to _INBOX.>.",
        "_INBOX",
    ),
    "domain": described("string", "Domain", "JetStream domain of the stream."),
    "js_prefix": described(
        "string",
        "API prefix",
        "Prefix of the JetStream API where it is imported under another name.",
    ),
    "stream": described(
        "string", "Stream", "JetStream stream that takes the messages.", "TXLOG_STREAM"
    ),
    "create_stream": described(
        "string",
        "Create stream",
        "off: the stream must exist. if_missing: create it. update: create it, or bring an "
        "existing one to stream_config.",
        "off",
        enum=["off", "if_missing", "update"],
    ),
    "stream_config": described(
        ["object", "string"],
        "Stream configuration",
        "Settings of a stream that is created or updated, in JetStream's words: subjects, storage, "
        "replicas, max_age, max_bytes, max_msgs, max_msg_size, discard, duplicate_window, "
        "compression, retention, placement, allow_atomic, allow_batched. Durations in seconds or "
        "like 2m, 24h.",
    ),
    "publish_mode": described(
        "string",
        "Publish mode",
        "auto: the fastest mode that keeps the order. fast: an answer for hundreds of messages. "
        "atomic: batches that are stored wholly or not at all. window: many messages in flight, an "
        "answer for each. sync: one by one.",
        "auto",
        enum=["auto", "fast", "atomic", "window", "sync"],
    ),
    "batch_size": described(
        INTEGER,
        "Batch size",
        "Messages in a batch; the servers' limit for atomic ones is 1000.",
        1000,
    ),
    "max_in_flight": described(
        INTEGER,
        "Maximum in flight",
        "Messages without an answer in the modes fast and window.",
        4000,
    ),
    "ack_timeout": described(
        NUMBER, "Acknowledgement timeout", "Seconds without any answer that end a connection.", 10
    ),
    "connect_timeout": described(
        NUMBER, "Connect timeout", "Seconds in which NATS must be reached at the start.", 10
    ),
    "max_outage": described(
        NUMBER, "Maximum outage", "Seconds without progress after which a run fails.", 300
    ),
    "initial_backoff": described(
        NUMBER, "Initial backoff", "Seconds before the first new try.", 0.1
    ),
    "max_backoff": described(
        NUMBER, "Maximum backoff", "Longest wait between two tries, seconds.", 2
    ),
    "backoff_multiplier": described(
        NUMBER, "Backoff multiplier", "Factor from one wait to the next.", 2
    ),
    "dedupe_tail": described(
        ["integer", "string"],
        "Deduplication tail",
        "How many of the pipeline's newest messages are read back before the first one is "
        "published, beside all behind the state that the tap starts from, so that none of them is "
        "stored again; all reads back the whole stream, 0 leaves it to the stream's duplicate "
        "window.",
        50_000,
    ),
    "on_unknown_past": described(
        "string",
        "On unknown past",
        "What happens when it is not known where the tap starts again, and the stream holds more "
        "than dedupe_tail reads back: warn goes on and tells the numbers, fail ends the run.",
        "warn",
        enum=["warn", "fail"],
    ),
    "on_error": described(
        "string",
        "On error",
        "What happens to a message that cannot be published: fail stops the run, dead_letter puts "
        "it into the stream <stream>_DLQ.",
        "fail",
        enum=["fail", "dead_letter"],
    ),
    "dead_letter_file": described(
        "string",
        "Dead letter file",
        "JSON lines file for dead letters that NATS does not take.",
        "dead_letters.jsonl",
    ),
}
