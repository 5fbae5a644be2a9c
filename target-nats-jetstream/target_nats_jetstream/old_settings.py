"""Settings of the last release, which still work in this one.

For the next, delete this module and ``deprecation``, every field that is marked as ``old``, and
what reads them. An ``old`` setting is translated by one of the classes in ``TRANSLATED``, or still
read by the struct that has it.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from typing_extensions import override

from target_nats_jetstream import deprecation
from target_nats_jetstream.config import old, refuse
from target_nats_jetstream.deprecation import OldSettings, delays, is_set

_BACKOFF: Final = "set `backoff`, the delays themselves, such as 0.1,0.2,0.4,0.8,1.6,2"
_CREDS: Final = "set `creds`, which takes a file or its content, with JWT and seed or an NKey seed"


class OldBackoff(OldSettings, frozen=True, kw_only=True):
    """The delays between retries, by a formula."""

    initial_backoff: Annotated[float, old(_BACKOFF, ge=0)] = 0.1
    max_backoff: Annotated[float, old(_BACKOFF, ge=0)] = 2
    backoff_multiplier: Annotated[float, old(_BACKOFF, ge=1)] = 2

    @override
    def instead(self, config: dict[str, Any]) -> dict[str, Any]:
        waits = delays(self.initial_backoff, self.max_backoff, self.backoff_multiplier)
        return {"backoff": ",".join(f"{wait:g}" for wait in waits)}


class OldPrefix(OldSettings, frozen=True, kw_only=True):
    """The prefix of the JetStream API; one without a dot gets one, or it would be a domain."""

    js_prefix: Annotated[str, old("set it as `domain`, with a dot in it or at its end")] = ""

    @override
    def instead(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"domain": self.js_prefix if "." in self.js_prefix else f"{self.js_prefix}."}


class OldCredentials(OldSettings, frozen=True, kw_only=True):
    """Keys, by their kinds and by where they are."""

    creds_file: Annotated[str | None, old(_CREDS)] = None
    nkey_seed: Annotated[str | None, old(_CREDS)] = None
    nkey_seed_file: Annotated[str | None, old(_CREDS)] = None

    @override
    def instead(self, config: dict[str, Any]) -> dict[str, Any]:
        given = {name: value for name in self.properties() if (value := getattr(self, name))}
        (first, value), *others = given.items()
        if others:
            refuse(first, f"and `{others[0][0]}` are both set", "Keep one, and call it `creds`")
        return {"creds": value}


class OldToken(OldSettings, frozen=True, kw_only=True):
    """A token, which is a password without a user."""

    token: Annotated[str | None, old("set it as `password`, without `user`")] = None
    token_file: Annotated[str | None, old("set it as `password_file`, without `user`")] = None

    @override
    def instead(self, config: dict[str, Any]) -> dict[str, Any]:
        name = "token" if self.token else "token_file"
        if self.token and self.token_file:
            refuse("token", "and `token_file` are both set", "Keep one of them")
        if is_set(config, "user"):
            refuse(name, "and `user` are both set", "Keep one way to log in")
        return {name.replace("token", "password"): self.token or self.token_file}


TRANSLATED: Final[tuple[type[OldSettings], ...]] = (
    OldBackoff,
    OldPrefix,
    OldCredentials,
    OldToken,
)

#: A config as it is written today, and a warning for each old setting in it.
modern: Final = partial(deprecation.modern, old_settings=TRANSLATED)
