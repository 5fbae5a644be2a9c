"""Whether anybody between a plugin and the ledger's server can read along, or answer in its place.

Pure. The same text stands in the other package.
"""

from __future__ import annotations

import ipaddress
from typing import Protocol

from target_nats_jetstream.diagnosis import Finding, passed, warning


class Demanded(Protocol):
    """How the settings want the connection to be encrypted."""

    @property
    def verify(self) -> bool:
        """Whether the server has to prove who it is."""


def is_local(host: str | None) -> bool:
    """Whether a host is this one."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def of_ledger(demanded: Demanded | None, host: str | None, version: str) -> Finding:
    """What the connection to the ledger's server is worth.

    Args:
        demanded: None where the settings do not ask for encryption.
        host: Of the server.
        version: Of TLS on the connection; empty where there is none.
    """
    if version and demanded and demanded.verify:
        return passed(f"{version}, the server's certificate is verified")
    if is_local(host):
        return passed(f"{version or 'no TLS'}, within this machine")
    remedy = (
        "Set `mariadb_ssl: true` (and `mariadb_ssl_ca` if the system does not trust the server)"
    )
    if version:
        text = f"{version}, but the server's certificate is not verified: it may be anybody's"
        return warning(text, "Set `mariadb_ssl_verify: true`" if demanded else remedy)
    return warning(f"no TLS: state and login travel in clear to {host}", remedy)
