"""Settings as structs: all that is to be said of a setting stands in one field.

The field has the name, the type, the bounds, the default and the description. From these come the
JSON schema that ``--about``, Meltano and the documentation show, the value that a client works
with, and the words for a value that does not fit. Values may be text, as environment variables
are. No complaint shows a value: it may be a secret under the wrong name.
"""

from __future__ import annotations

import difflib
import json
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

import msgspec
from jsonschema import Draft202012Validator
from typing_extensions import override

from target_nats_jetstream.config_schema import json_schemas, listed
from target_nats_jetstream.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

_PLAIN = re.compile(r"[\w*-]{1,64}")
_WORDS_OF_BOOLEANS = {
    word: value
    for value, words in ((True, "true 1 yes on"), (False, "false 0 no off"))
    for word in words.split()
}


def setting(description: str, **bounds: Any) -> msgspec.Meta:  # noqa: ANN401 - as msgspec.Meta takes them
    """The documentation of a setting, and what its value may be."""
    return msgspec.Meta(description=description, **bounds)


def secret(description: str) -> msgspec.Meta:
    """The documentation of a setting whose value must never be shown."""
    return msgspec.Meta(description=description, extra_json_schema={"secret": True})


def old(instead: str, **bounds: Any) -> msgspec.Meta:  # noqa: ANN401 - as msgspec.Meta takes them
    """What to do instead of a setting that works for one more release, and is shown nowhere."""
    return msgspec.Meta(description=instead, extra_json_schema={"old": True}, **bounds)


def refuse(name: str, what: str, remedy: str) -> NoReturn:
    """Complain about the setting ``name``."""
    reason = f"setting `{name}` {what}"
    raise ConfigurationError(reason, remedy, setting=name.partition(".")[0]) from None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one client. A field without description is no setting."""

    never_blank: ClassVar[tuple[str, ...]] = ()
    """Settings that say whose data it is: empty text is a mistake there, and not the default."""

    @override
    def __repr__(self) -> str:
        """Without any value, as some are secret."""
        return f"{type(self).__name__}(…)"

    @classmethod
    def properties(cls) -> dict[str, dict[str, Any]]:
        """The JSON schema of each setting."""
        return json_schemas(cls)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read the settings out of a whole config; what is absent or blank has its default.

        Raises:
            ConfigurationError: A value does not fit, or two settings contradict each other.
        """
        return cls._converted(cls._given(config))

    @classmethod
    def _given(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """What is set; a list may be JSON text or text with commas, an object JSON text."""
        for name in cls.never_blank:
            if config.get(name) == "":
                refuse(
                    name,
                    "is empty",
                    "Give it a value, or leave it out. Is it a CI secret that is not set?",
                )
        given = {}
        for name, schema in cls.properties().items():
            value, kinds = config.get(name, ""), schema["type"]
            if value == "" or (value is None and "null" not in kinds):
                continue
            if isinstance(value, str) and {"array", "object"} & set(kinds):
                value = _from_text(name, value, is_list="array" in kinds)
            elif isinstance(value, str) and (words := schema.get("enum")):
                value = next((one for one in words if _same_word(one, value)), value)
            elif isinstance(value, str) and "boolean" in kinds:
                value = _WORDS_OF_BOOLEANS.get(value.strip().lower(), value)
            given[name] = _encodable(name, value)
        return given

    @classmethod
    def _converted(cls, given: Mapping[str, Any]) -> Self:
        try:
            found = msgspec.convert(given, cls, strict=False)
        except msgspec.ValidationError as error:
            place = re.search(r"`\$\.(\w+)", str(error))
            name = place[1] if place else "config"
            _refuse_value(name, cls.properties().get(name, {}))
        for name, schema in cls.properties().items():
            if "number" not in schema.get("items", schema).get("type", ()):
                continue
            if not all(math.isfinite(float(number)) for number in listed(given.get(name, 0))):
                _refuse_value(name, schema)
        return found


def from_file(given: dict[str, Any], names: Iterable[str]) -> None:
    """Put secrets in their places that stand in the files of ``<name>_file``.

    Raises:
        ConfigurationError: A file cannot be read or is empty, or there are a secret and a file.
    """
    for name in names:
        if (path := given.get(f"{name}_file")) is None:
            continue
        if not isinstance(path, str):
            refuse(f"{name}_file", "does not name a file", "Set the path of one")
        if given.get(name):
            refuse(name, f"and `{name}_file` are both set", "Keep one of them")
        try:
            given[name] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:  # a path may hold what no path can
            cause = error.strerror if isinstance(error, OSError) else "not a text file"
            refuse(f"{name}_file", f"cannot be read: {cause}", "Check the path")
        if not given[name]:
            refuse(f"{name}_file", "is empty", "Write the secret into it")


def from_environment(names: Iterable[str], prefix: str) -> dict[str, str]:
    """The settings among environment variables, as the text that they are."""
    variables = {name: f"{prefix}{name.upper()}" for name in names}
    return {name: os.environ[env] for name, env in variables.items() if env in os.environ}


def typed(value: object, schema: Mapping[str, Any]) -> object:
    """What a text stands for in a setting of the SDK; itself where it stands for nothing."""
    types = schema.get("type", ())
    if not isinstance(value, str) or "string" in types:
        return value
    if "boolean" in types:
        return _WORDS_OF_BOOLEANS.get(value.strip().lower(), value)
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return value if isinstance(found, str) else found


def unreadable(error: Exception) -> str:
    """Why a JSON file of settings cannot be read."""
    if isinstance(error, FileNotFoundError):
        return "it does not exist"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "it does not contain a JSON object"


def check(
    config: Mapping[str, Any], schema: Mapping[str, Any], ours: Collection[str]
) -> dict[str, Any]:
    """Refuse unknown settings, and wrong values of those that are the SDK's; returns the SDK's.

    Args:
        config: All that is set.
        schema: The JSON schema of all settings.
        ours: Those that a ``Settings`` reads and checks; the schema does not have the old ones.

    Raises:
        ConfigurationError: Names the setting, what is wrong, and the nearest name that is known.
    """
    known = schema["properties"]
    for name in config:
        if name not in known and name not in ours:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            remedy = f"Did you mean `{near[0]}`?" if near else "See --about for the known ones"
            reason = f"unknown setting `{name}`"
            raise ConfigurationError(reason, remedy, setting=name)
    found = {
        name: _encodable(name, typed(config[name], known[name]))
        for name in config
        if name not in ours
    }
    for error in Draft202012Validator(_without_type_names(schema)).iter_errors(found):
        path = (str(part) for part in error.absolute_path)  # a key may be anything
        name = ".".join(part if _PLAIN.fullmatch(part) else "*" for part in path)
        _refuse_value(name or "config", error.schema)
    return found


def _without_type_names(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """A schema of the SDK without what is no schema: it lists names of types among alternatives."""
    if isinstance(schema, dict):
        found = {name: _without_type_names(inner) for name, inner in schema.items()}
        if alternatives := found.get("anyOf"):
            found["anyOf"] = [one for one in alternatives if isinstance(one, dict)]
        return found
    return [_without_type_names(one) for one in schema] if isinstance(schema, list) else schema


def _from_text(name: str, text: str, *, is_list: bool) -> object:
    if is_list and not text.startswith("["):
        return [part.strip() for part in text.split(",")]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        what = "list" if is_list else "object"
        refuse(name, f"is not a JSON {what}", f"Set a JSON {what}, or one in the config file")


def _encodable(name: str, value: object) -> object:
    """``value``, if no text in it has half a surrogate pair: nobody could be sent such a text.

    JSON may have one as an escape, and Python reads bytes of the environment that are not UTF-8
    as such.
    """
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        refuse(name, "is not valid text", "Write it in UTF-8, without halves of surrogate pairs")
    return value


def _same_word(word: object, text: str) -> bool:
    """Whether a choice is meant: other programs write their levels in other cases."""
    return isinstance(word, str) and word.casefold() == text.strip().casefold()


def _refuse_value(name: str, schema: Mapping[str, Any]) -> NoReturn:
    """Say what would fit."""
    types = schema.get("type", [])
    if "number" in schema.get("items", {}).get("type", ()):
        refuse(name, "is not a list of numbers that fit", "Set numbers, separated by commas")
    least, most = schema.get("minimum"), schema.get("maximum")
    if choices := schema.get("enum"):
        shown = " | ".join("null" if one is None else str(one) for one in choices)
        refuse(name, "is not one of its values", f"Choose {shown}")
    if "boolean" in types:
        refuse(name, "is neither true nor false", "Set true or false")
    if {"integer", "number"} & {*([types] if isinstance(types, str) else types)}:
        kind = "a whole number" if "integer" in types else "a number"
        bounds = [f"at least {least}"] if least is not None else []
        bounds += [f"at most {most}"] if most is not None else []
        refuse(name, "is not a number that fits", f"Set {', '.join((kind, *bounds))}")
    refuse(name, "has a value of the wrong kind", f"It takes: {_kinds(schema)}")


def _kinds(schema: Mapping[str, Any]) -> str:
    found = [str(one["const"]) if "const" in one else one["type"] for one in _alternatives(schema)]
    return " or ".join(found)


def _alternatives(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    types = schema.get("type")
    if types is None:
        return list(schema.get("anyOf", ()))
    return [{"type": one} for one in ([types] if isinstance(types, str) else types)]
