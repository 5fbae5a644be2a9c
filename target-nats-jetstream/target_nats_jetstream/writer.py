"""Writes STATE to stdout, which nothing else may touch: it is what the next run begins with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from target_nats_jetstream.errors import TargetError
from target_nats_jetstream.standard_streams import why_unwritable

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_state(state: Mapping[str, object]) -> None:
    """Write ``state`` as one line in the form of ``json.dumps``; numbers keep their digits.

    Raises:
        TargetError: stdout is closed, or its disk is full.
    """
    encoded = msgspec.json.Encoder(decimal_format="number").encode(state)
    try:
        # Past the text layer: JSON is UTF-8, whatever the locale.
        sys.stdout.buffer.write(msgspec.json.format(encoded, indent=0) + b"\n")
        sys.stdout.buffer.flush()
    except OSError as error:
        reason = f"cannot write STATE: {why_unwritable(error)}"
        raise TargetError(reason, "The next run sends again what no STATE covers") from error
