"""The parts of message ids: how they are made, and how they are told from an id that was read back.

``<stream>:<key and replication value>:<digest>`` is the id of a keyed record,
``<stream>:<digest>:<place>`` that of a placed one (``message`` says what these are).
"""

from __future__ import annotations

import itertools
import re
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote

from target_nats_jetstream.template import header_text

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Hexadecimal digits of a digest: 128 bits of SHA-256.
DIGEST_CHARACTERS = 32
#: Of a place: whose it is, and which run's.
MARK_CHARACTERS = RUN_CHARACTERS = 5
_PLACED = re.compile(
    rf":[\w-]{{22}}:([\w-]{{{MARK_CHARACTERS}}})[\w-]{{{RUN_CHARACTERS}}}[0-9]+\Z", re.ASCII
)
#: Of an id, key and replication value.
MAX_NAME_CHARACTERS = 192
_SAFE = "".join(map(chr, range(0x21, 0x7F))).replace("%", "").replace(":", "")


def pipeline_text(program: str) -> str:
    """The name of a pipeline as its messages carry it."""
    return header_text(program).strip()


def content_of(message_id: str) -> str:
    """The id of a placed message without its place."""
    return message_id.rpartition(":")[0]


def place_of(message_id: str) -> str:
    """The place in the id of a placed message."""
    return message_id.rpartition(":")[2]


def stream_of(message_id: str) -> str:
    """What the id of a placed message has before content and place: its Singer stream."""
    return message_id.rsplit(":", 2)[0]


def new_places(pipeline: str) -> Iterator[str]:
    """The places of one run of a pipeline; no other run has any of them."""
    run = mark_of(pipeline) + secrets.token_urlsafe(RUN_CHARACTERS)[:RUN_CHARACTERS]
    return (f"{run}{number}" for number in itertools.count())


def mark_of(pipeline: str) -> str:
    """What the places of a pipeline's runs begin with."""
    return short(sha256(pipeline.encode()).hexdigest()[:32])[:MARK_CHARACTERS]


def short(digest: str) -> str:
    """A digest in 22 characters."""
    return urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b"=").decode()


def placed_by(message_id: str) -> str | None:
    """The mark of the pipeline that has made a placed message; None for an id of another kind."""
    found = _PLACED.search(message_id)
    return found and found[1]


def of_no_run(message_id: str) -> str:
    """The id under which a message is stored that no run is going to repeat: the mark of a placed
    one would say that its pipeline does.
    """
    return message_id if placed_by(message_id) is None else f"{message_id}:replayed"


def masked(stream: str) -> str:
    """The stream as the first part of an id: without a colon, and never empty."""
    return fitting(quote(stream, safe=_SAFE) or "%")


def fits(text: str, longest: int) -> bool:
    """Whether a header can hold a text, or many that are joined, as they are."""
    return text.isascii() and text.isprintable() and longest <= MAX_NAME_CHARACTERS


def fitting(text: str) -> str:
    """``text``, or its hash where a header cannot hold it; NATS clients strip the values."""
    if text and fits(text, len(text)) and text == text.strip():
        return text
    digest = sha256(text.encode(errors="replace")).hexdigest()
    return digest[:DIGEST_CHARACTERS]
