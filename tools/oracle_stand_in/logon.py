"""From the first byte of a client to an open session: listener, negotiation, password.

``admit`` returns the user, or ends with ``Closed`` after having told the client why.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from tools.oracle_stand_in import messages, wire
from tools.oracle_stand_in.auth import Login, Salts, proof
from tools.oracle_stand_in.channel import Closed
from tools.oracle_stand_in.faults import OracleError, Refused
from tools.oracle_stand_in.wire import ProtocolError

if TYPE_CHECKING:
    from tools.oracle_stand_in.channel import Channel
    from tools.oracle_stand_in.instance import Instance
    from tools.oracle_stand_in.wire import Reader

INLINE_CONNECT_DATA: Final = 230
"""Connect data longer than this comes in a packet of its own."""
PHASE_ONE, PHASE_TWO = 118, 115
VERSION: Final = 318
LARGEST_SDU: Final = 65535
OPEN_CURSORS: Final = 300
SERVER_VERSION: Final = str(19 << 24 | 3 << 16)


def admit(channel: Channel, instance: Instance) -> None:
    """Bring one client from its first packet to an open session."""
    try:
        _accept(channel, instance)
    except Refused as refused:
        text = f"(DESCRIPTION=(TMP=)(VSNNUM=0)(ERR={refused.code}))".encode()
        channel.send(wire.REFUSE, b"\0\0" + len(text).to_bytes(2, "big") + text)
        raise Closed from refused
    channel.request().rest()  # protocol: only the driver's name
    channel.respond(messages.PROTOCOL)
    _skip_data_types(channel.request())
    channel.respond(messages.DATA_TYPES)
    try:
        _authenticate(channel, instance)
    except OracleError as error:
        channel.respond(messages.end(0, 0, error.code, str(error)))
        raise Closed from error


def _accept(channel: Channel, instance: Instance) -> None:
    kind, body = channel.packet()
    if kind != wire.CONNECT:
        msg = f"a packet of type {kind} instead of CONNECT"
        raise ProtocolError(msg)
    length = int.from_bytes(body[16:18], "big")
    data = body[66:] if length <= INLINE_CONNECT_DATA else channel.payload()
    instance.faults.strike("connect", channel)
    service = re.search(rb"\((SERVICE_NAME|SID)=([^)]*)\)", data)
    if service is None:
        raise Refused(12504)
    if service[2].decode().upper() != instance.service_name.upper():
        raise Refused(12514 if service[1] == b"SERVICE_NAME" else 12505)
    channel.sdu = min(int.from_bytes(body[50:54], "big"), LARGEST_SDU)
    head = VERSION.to_bytes(2, "big") + bytes(22)
    channel.send(wire.ACCEPT, head + channel.sdu.to_bytes(4, "big") + bytes(9))
    channel.wide = True


def _skip_data_types(reader: Reader) -> None:
    """The client's list is longer than a small packet: read to its end, which is a zero entry."""
    reader.take(6)
    reader.lv()
    reader.lv()
    while reader.take(2) != b"\0\0":
        reader.take(6)


def _authenticate(channel: Channel, instance: Instance) -> None:
    first = _phase(channel, PHASE_ONE)
    known = first["user"].upper() == instance.user.upper()
    login = Login(instance.password if known else os.urandom(16).hex(), Salts.of(os.urandom(64)))
    instance.faults.strike("logon", channel)
    channel.respond(messages.parameters(login.challenge(instance.verifier)))
    second = _phase(channel, PHASE_TWO)
    key = login.session_key(second["AUTH_SESSKEY"])
    instance.logons.append(second)
    if not (known and login.accepts(key, second["AUTH_PASSWORD"])):
        raise OracleError(1017, "invalid username/password; logon denied")
    facts = {
        "AUTH_VERSION_NO": SERVER_VERSION,
        "AUTH_SESSION_ID": str(len(instance.logons)),
        "AUTH_SERIAL_NUM": "1",
        "AUTH_SVR_RESPONSE": proof(key, os.urandom(16)),
        "AUTH_MAX_OPEN_CURSORS": str(OPEN_CURSORS),
        "AUTH_MAX_IDEN_LENGTH": "128",
        "AUTH_SC_SERVICE_NAME": instance.service_name,
    }
    channel.respond(messages.parameters({key: (value, 0) for key, value in facts.items()}))


def _phase(channel: Channel, function: int) -> dict[str, str]:
    reader = channel.request()
    if (head := reader.take(3))[:2] != bytes((messages.CALL, function)):
        msg = f"{head.hex()} instead of authentication call {function}"
        raise ProtocolError(msg)
    return messages.read_pairs(reader)
