"""``--check-config``: all that is wrong with the settings at once, without any server.

Settings are read as for a run. The first thing wrong ends the reading, so its setting is set aside,
and all are read again until nothing is wrong. The same text stands in the other package.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from target_nats_jetstream.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    Read = Callable[[dict[str, Any]], object]

STAND_IN: Final = "set"
"""The value of a setting that is missing, once that has been said."""
_OF_THE_SDK: Final = frozenset({"loglevel"})
"""What the SDK reads under the prefix of a plugin beside settings."""
_NEAR: Final = 0.88
"""How alike two names are that differ in one letter, or two of a long name."""


def mistakes(config: Mapping[str, Any], readers: Iterable[Read]) -> list[ConfigurationError]:
    """All that is wrong, in the order in which it is found.

    Args:
        config: All that is set.
        readers: Each reads a part of it, and raises ConfigurationError at the first thing wrong.
    """
    found, left = list[ConfigurationError](), dict(config)
    for read in readers:
        found += _mistakes_of(read, left)
    return found


def _mistakes_of(read: Read, left: dict[str, Any]) -> Iterator[ConfigurationError]:
    """The mistakes that one reader finds; their settings are taken out of ``left``.

    Once one has been taken out, another may only seem to be missing, and what is wrong between
    several may not be: then it is not told.
    """
    told, stood_in, is_whole = set[str](), set[str](), True
    while (mistake := _first(read, left)) is not None:
        name = mistake.setting
        if name in left and name not in told:
            yield mistake
            del left[name]
            is_whole = False
        elif name and name not in stood_in and name not in left:
            if is_whole:
                yield mistake
            left[name] = STAND_IN
            stood_in.add(name)
        else:
            if not (name or told):
                yield mistake
            return
        told.add(name)


def _first(read: Read, config: dict[str, Any]) -> ConfigurationError | None:
    try:
        read(dict(config))
    except ConfigurationError as error:
        return error
    return None


class Names(NamedTuple):
    """What environment variables a plugin reads.

    Args:
        prefix: What those of its own begin with.
        settings: The JSON schema of each setting.
        old: Settings that are still read, and in no schema.
        short: What settings are also called under Meltano.
    """

    prefix: str
    settings: Mapping[str, Any]
    old: Collection[str]
    short: Mapping[str, str]


def unknown_variables(environment: Iterable[str], names: Names) -> Iterator[ConfigurationError]:
    """Environment variables that look like settings of a plugin and are none.

    Args:
        environment: The names of all variables.
        names: Those that the plugin reads.
    """
    prefix, settings = names.prefix, names.settings
    # Meltano gives each member of an object a variable, and its extras two underscores.
    objects = [name for name, schema in settings.items() if "object" in _types(schema)]
    beginnings = ("_", *(f"{name}_" for name in objects))
    for variable in sorted(environment):
        name = variable.removeprefix(prefix).lower()
        is_known = name in settings or name in names.old or name in _OF_THE_SDK
        if not variable.startswith(prefix) or is_known or name.startswith(beginnings):
            continue
        near = difflib.get_close_matches(name, settings, n=1, cutoff=0.5)
        remedy = f"Did you mean {prefix}{near[0].upper()}?" if near else "Remove it"
        yield ConfigurationError(f"unknown environment variable {variable}", remedy)


def near_misses(
    environment: Collection[str], names: Names, given: Mapping[str, Any]
) -> Iterator[ConfigurationError]:
    """Environment variables without the prefix that are nearly called as one that is read.

    Others have variables of their own, such as ORACLE_HOME: so little may differ, and the setting
    has to be one that has no value yet.

    Args:
        environment: The names of all variables.
        names: Those that the plugin reads.
        given: All that is set.
    """
    unset = [name for name in names.settings if given.get(name) in (None, "")]
    known = {f"{names.prefix}{name.upper()}" for name in unset}
    if "MELTANO_PROJECT_ROOT" in environment:
        known |= {names.short[name] for name in unset if name in names.short}
    wanted = known.difference(environment)
    for variable in sorted(environment):
        if variable.startswith(names.prefix) or variable in known:
            continue
        for near in difflib.get_close_matches(variable.upper(), wanted, n=1, cutoff=_NEAR):
            reason = f"unknown environment variable {variable}"
            yield ConfigurationError(reason, f"Did you mean {near}?")


def _types(schema: Mapping[str, Any]) -> Collection[str]:
    types = schema.get("type", "object")  # one of the SDK's without a type is an object
    return [types] if isinstance(types, str) else types


def summary(found: Collection[ConfigurationError]) -> str:
    """The last line."""
    if not found:
        return "the settings are valid"
    return "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"


def result(found: Iterable[ConfigurationError]) -> dict[str, Any]:
    """For programs."""
    members = ("setting", "reason", "remedy")
    return {"mistakes": [{name: getattr(one, name) for name in members} for one in found]}
