"""What a DBA has to grant, and nothing more. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.oracle.identifiers import identifier, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_oracle_txlog.oracle.settings import OracleSettings

#: For late commits by watermark; what each view tells.
VIEWS: Final = (
    ("GV_$TRANSACTION", "the oldest open transaction"),
    ("GV_$SESSION", "who holds it"),
    ("GV_$INSTANCE", "whether all nodes of a cluster answer"),
    ("V_$ACTIVE_INSTANCES", "how many there are"),
    ("DBA_2PC_PENDING", "branches in doubt"),
    ("V_$DATAGUARD_STATS", "on a standby only"),
    ("V_$DATABASE", "on a standby only, where V_$DATAGUARD_STATS tells no lag"),
)
_PROXY: Final = re.compile(r"[^\[]*\[([^\]]+)\]")


def grants(settings: OracleSettings, *, with_watermark: bool) -> Iterator[str]:
    """The statements for the user of the session.

    Args:
        settings: Of the connection, and which table.
        with_watermark: Whether open transactions are looked at.

    Raises:
        ConfigurationError: It is not said who the user is.
    """
    user = _grantee(settings)
    yield f"GRANT CREATE SESSION TO {user};"
    if settings.table_name.owner is not None:  # else it is the user's own
        yield f"GRANT SELECT ON {settings.table_name.quoted} TO {user};"
    if with_watermark:
        for view, purpose in VIEWS:
            yield f'GRANT SELECT ON "SYS".{quoted(view)} TO {user};  -- {purpose}'


def _grantee(settings: OracleSettings) -> str:
    """Who reads: with a proxy it is not the one that logs in."""
    user = settings.user
    if user is None:
        reason = "`user` is not set: a wallet or the client knows who logs in"
        raise ConfigurationError(reason, "Set `user` for this question")
    proxied = _PROXY.fullmatch(user)
    return quoted(identifier(proxied[1] if proxied else user, setting="user"))
