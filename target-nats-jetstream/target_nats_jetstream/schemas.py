"""Compiled JSON schemas: each is read by the draft that it is of.

``$schema`` names the draft. Most taps leave it out, and their schemas are of any age: then it is
the newest draft from 4 on that can read the schema. So ``exclusiveMaximum: true`` (draft 4) and
``items`` as a list (up to 2019-09) mean what their authors meant. Draft 3 takes almost everything
for a schema, and is used where ``$schema`` says so. Formats are annotations, as the newer drafts
have them: a time that a database has and RFC 3339 has not is no reason to lose a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import jsonschema
import jsonschema_rs
from jsonschema.validators import validator_for
from jsonschema_specifications import REGISTRY
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT3, DRAFT4, DRAFT6, DRAFT7, DRAFT201909, DRAFT202012

from target_nats_jetstream.draft3 import Draft3Validator
from target_nats_jetstream.references import refuse_retrieval, schemas_in
from target_nats_jetstream.schema_cost import Looks
from target_nats_jetstream.shown import shown
from target_nats_jetstream.wrong_record import FIX_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from referencing import Specification
    from referencing._core import Resolver

    from target_nats_jetstream.references import SchemaPath


class BrokenRule(Protocol):
    """What a validator reports about a broken rule."""

    @property
    def instance_path(self) -> Sequence[str | int]:
        """Where in the record."""

    @property
    def schema_path(self) -> Sequence[str | int]:
        """Where in the schema."""


class Validator(Protocol):
    """What is used of a compiled schema."""

    def is_valid(self, instance: Any) -> bool:  # noqa: ANN401 - a value of any JSON type
        """Whether the instance fits."""

    def iter_errors(self, instance: Any) -> Iterator[BrokenRule]:  # noqa: ANN401 - as above
        """The rules that it breaks."""


class UnusableSchemaError(ValueError):
    """A schema cannot be compiled: its ``place``, and what is wrong there."""

    def __init__(self, place: str, why: str) -> None:
        self.place = place
        super().__init__(f"{why} at {place}")


class _Draft3:
    """Draft 3, which the compiling library does not know."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        jsonschema.Draft3Validator.check_schema(schema)
        _follow_references(schema)
        self._validator = Draft3Validator(schema, registry=REGISTRY)
        self.is_valid = self._validator.is_valid

    def iter_errors(self, instance: object) -> Iterator[BrokenRule]:
        for error in self._validator.iter_errors(instance):
            yield _BrokenDraft3Rule(list(error.absolute_path), list(error.absolute_schema_path))


class _BrokenDraft3Rule:
    def __init__(self, instance_path: list[str | int], schema_path: list[str | int]) -> None:
        self.instance_path, self.schema_path = instance_path, schema_path


def _follow_references(schema: Mapping[str, Any]) -> None:
    """Find out now what the validator would only find out at a record.

    Raises:
        UnusableSchemaError: A reference leads nowhere, or to what is no schema.
    """
    root = DRAFT3.create_resource(schema)
    seen: set[int] = set()
    left: list[tuple[SchemaPath, Resolver[Any], Any]] = [
        ((), REGISTRY.resolver_with_root(root), schema)
    ]
    while left:
        path, resolver, part = left.pop()
        if not isinstance(part, dict) or id(part) in seen:
            continue
        seen.add(id(part))
        resolver = resolver.in_subresource(DRAFT3.create_resource(part))
        if isinstance(part.get("$ref"), str):  # what stands beside it does not count
            place = (*path, "$ref")
            left.append((place, *_referred(place, resolver, part["$ref"])))
        else:
            left += (((*path, *inner), resolver, one) for inner, one in schemas_in(part))


def _referred(place: SchemaPath, resolver: Resolver[Any], ref: str) -> tuple[Resolver[Any], object]:
    try:
        found = resolver.lookup(ref)
        validator_for(found.contents, default=jsonschema.Draft3Validator).check_schema(
            found.contents
        )
    # The others: a pointer goes through a value, or the library stumbles on its search for an id.
    except (Unresolvable, LookupError, TypeError, ValueError, AttributeError) as error:
        raise UnusableSchemaError(_place(place), "a $ref leads nowhere") from error
    except jsonschema.SchemaError as error:
        raise UnusableSchemaError(_place(place), "a $ref leads to what is not valid") from error
    return found.resolver, found.contents


_REFUSED = (ValueError, RecursionError, jsonschema.SchemaError, jsonschema_rs.ReferencingError)


class _Draft(NamedTuple):
    """How schemas of a draft are compiled, and how their parts are found."""

    compile: Callable[[Mapping[str, Any]], Validator]
    specification: Specification[Any]


def _compiling(draft: Callable[..., Validator]) -> Callable[[Mapping[str, Any]], Validator]:
    return lambda schema: draft(schema, validate_formats=False, retriever=refuse_retrieval)


#: By what ``$schema`` says, without scheme and fragment; the newest first.
DRAFTS: Final[Mapping[str, _Draft]] = {
    f"json-schema.org/{name}/schema": _Draft(_compiling(compiled), specification)
    for name, compiled, specification in (
        ("draft/2020-12", jsonschema_rs.Draft202012Validator, DRAFT202012),
        ("draft/2019-09", jsonschema_rs.Draft201909Validator, DRAFT201909),
        ("draft-07", jsonschema_rs.Draft7Validator, DRAFT7),
        ("draft-06", jsonschema_rs.Draft6Validator, DRAFT6),
        ("draft-04", jsonschema_rs.Draft4Validator, DRAFT4),
    )
}
DRAFT_3: Final = "json-schema.org/draft-03/schema"
_BY_NAME: Final = {**DRAFTS, DRAFT_3: _Draft(_Draft3, DRAFT3)}


class TooCostlyError(ValueError):
    """A record is not validated: that would take too long."""


class _Counting:
    """A validator that first looks whether a record can be validated in time."""

    def __init__(self, validator: Validator, looks: Looks, check: Callable[[], None]) -> None:
        self._validator = validator
        self._looks = looks
        self._check = check

    def is_valid(self, instance: object) -> bool:
        if self._looks.are_too_many(instance, self._check):
            raise TooCostlyError
        return self._validator.is_valid(instance)

    def iter_errors(self, instance: object) -> Iterator[BrokenRule]:
        return self._validator.iter_errors(instance)


def compile_schema(
    schema: Mapping[str, Any], check: Callable[[], None] = lambda: None
) -> Validator:
    """The validator of a schema; it raises ``TooCostlyError`` for a record that takes too long.

    Args:
        schema: As it came.
        check: Called now and then while a large record is looked at; it raises after a signal.

    Raises:
        UnusableSchemaError: It is no schema of its draft, or of any draft.
    """
    name = str(schema.get("$schema", "")).partition("://")[2].partition("#")[0]
    first: Exception | None = None
    for draft in [_BY_NAME[name]] if name in _BY_NAME else DRAFTS.values():
        try:
            validator = draft.compile(schema)
        except UnusableSchemaError:
            raise
        except _REFUSED as error:
            first = first or error
        else:
            looks = Looks(schema, draft.specification)
            return _Counting(validator, looks, check) if looks.may_be_too_many else validator
    assert first is not None  # noqa: S101 - there are drafts
    raise _explained(schema, first) from first


def _explained(schema: Mapping[str, Any], error: Exception) -> UnusableSchemaError:
    """Say where, and what is wrong, in no words of the library: they quote the schema."""
    if isinstance(error, jsonschema.SchemaError):
        return UnusableSchemaError(_place(error.absolute_path), "it is not valid")
    if isinstance(getattr(error, "kind", None), jsonschema_rs.ValidationErrorKind.Referencing):
        text = str(error)
        broken = [place for place, ref in _references(schema) if ref.lstrip("#") in text]
        return UnusableSchemaError(broken[0] if broken else "the top", "a $ref leads nowhere")
    if isinstance(error, jsonschema_rs.ValidationError):
        return UnusableSchemaError(_place(error.instance_path), "it is not valid")
    return UnusableSchemaError("the top", "it is nested too deeply")


def _place(path: Iterable[str | int]) -> str:
    return "/".join(map(str, path)) or "the top"


def _references(schema: object) -> Iterator[tuple[str, str]]:
    """Place and target of each ``$ref``."""
    pending: list[tuple[str, object]] = [("", schema)]
    while pending:
        place, found = pending.pop()
        if isinstance(found, dict):
            if isinstance(ref := found.get("$ref"), str):
                yield f"{place}/$ref".lstrip("/"), ref
            pending += ((f"{place}/{name}", one) for name, one in found.items())
        elif isinstance(found, list):
            pending += ((f"{place}/{number}", one) for number, one in enumerate(found))


def declared_names(schema: object) -> Iterator[str]:
    """Names of properties that the schema declares, at any depth."""
    pending = [schema]
    while pending:
        found = pending.pop()
        if isinstance(found, dict):
            properties = found.get("properties")
            yield from properties if isinstance(properties, dict) else ()
            pending.extend(found.values())
        elif isinstance(found, list):
            pending.extend(found)


class Misfit(NamedTuple):
    """Why a record cannot be published: the field, the cause without its value, and what helps."""

    field: str
    why: str
    remedy: str = FIX_SCHEMA


def first_misfit(validator: Validator, names: frozenset[str], record: object) -> Misfit:
    """Which rule a record breaks that does not fit.

    Args:
        validator: What has found that out.
        names: The properties that the schema declares. Another name below the top may be a value as
            well, and is not shown.
        record: The record.
    """
    error = next(iter(validator.iter_errors(record)))
    path = [
        str(one) if isinstance(one, int) or one in names else "*" for one in error.instance_path
    ]
    field = shown(".".join(path)) or "record"
    rule = "/".join(map(str, error.schema_path[-1:]))
    return Misfit(field, f"field {field} violates {rule!r} in its schema")
