"""Messages in the words of the NATS client protocol, ready to be sent many at a time. Pure.

nats-py publishes a message a call: it checks the subject, builds the headers through the standard
library's email package and queues four small pieces. That is more than half of what a message costs
this target (``python -m bench.publisher``). What is checked there is checked here once, by
``limits.Limits``, before a message may come this far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_nats_jetstream.message import Message

#: Says whose a message is.
PIPELINE_HEADER = "Singer-Pipeline"
#: Bytes of headers beside the id and further lines: version, name of the id's header, empty line.
FRAME = len(b"NATS/1.0\r\nNats-Msg-Id: \r\n\r\n")


def pipeline_line(pipeline: str) -> str:
    """The header line of all messages of a pipeline; empty where it has no name."""
    return f"{PIPELINE_HEADER}: {pipeline}\r\n" if pipeline else ""


def hpub(
    message: Message, reply: str = "", more: str = "", whose: str = ""
) -> tuple[bytes, bytes, bytes]:
    """The ``HPUB`` command of ``message`` in pieces, its id in the header ``Nats-Msg-Id``.

    Args:
        message: What ``limits.Limits`` lets pass: nothing in it breaks a line.
        reply: The subject that is answered to, when an answer is wanted.
        more: Further header lines, each with its line end.
        whose: The ``pipeline_line``; a placed message needs none, its id tells.
    """
    id_, payload, own = message.id, message.payload, message.headers
    if whose and not message.placed:
        more = whose + more if more else whose
    if own:
        more += "".join(f"{key}: {own[key]}\r\n" for key in own)
    size = FRAME + len(id_) + len(more)
    if not (id_.isascii() and more.isascii()):
        size = FRAME + len(id_.encode()) + len(more.encode())
    # Blanks in a row are one: without a reply there are two between subject and sizes.
    head = (
        f"HPUB {message.subject} {reply} {size} {size + len(payload)}\r\n"
        f"NATS/1.0\r\nNats-Msg-Id: {id_}\r\n{more}\r\n"
    )
    return head.encode(), payload, b"\r\n"


def pub(subject: str, reply: str) -> bytes:
    """The ``PUB`` command of an empty message, which only asks for an answer."""
    return b"PUB %b %b 0\r\n\r\n" % (subject.encode(), reply.encode())
