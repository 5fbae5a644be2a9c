"""How often a validator looks at the values of a record. Pure.

A schema is applied to a value once for each way that leads to it. Where two of them lead from a
definition to the next one, or from a definition to the same member of a record and back to itself,
the work doubles with each step: a schema of two hundred bytes and a record of a few hundred can
keep a validator busy for ever, in code that no signal interrupts. So records of schemas that may do
this are counted before they are validated. ``left`` and ``right`` of a tree are different members:
that is no doubling.
"""

from __future__ import annotations

import math
from collections import Counter
from contextlib import suppress
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

from jsonschema_specifications import REGISTRY
from referencing.exceptions import Unresolvable
from referencing.jsonschema import lookup_recursive_ref

from target_nats_jetstream.draft3 import matcher
from target_nats_jetstream.references import schemas_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from referencing import Specification
    from referencing._core import Resolved, Resolver

FREE_LOOKS: Final = 100
"""How often each value may be looked at, whatever the record: more than in schemas that people
write."""
MOST_LOOKS: Final = 10_000_000
"""How many looks beyond those a record may take: a few seconds."""
CHECKED_EVERY: Final = 1_000
"""Values between two looks at the signals."""
_ROOT: Final = "http://schema.invalid/"
_APPLIED_KEPT, _PARTS_KEPT = 1_000, 100_000
#: Keywords whose schemas look at the same value as the schema that they are in.
_SAME_VALUE: Final = frozenset(
    {"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"}
    | {"extends", "disallow", "type"}
)
#: Those that look at members which no other keyword beside them has looked at, and at all members.
_REST: Final = {
    "additionalProperties": str,
    "unevaluatedProperties": str,
    "items": int,
    "additionalItems": int,
    "unevaluatedItems": int,
}
_EVERY: Final = {"propertyNames": str, "contains": int}
#: What the library raises where a reference leads nowhere, or through a value.
_NOWHERE: Final = (Unresolvable, LookupError, TypeError, ValueError, AttributeError)


class _Part:
    """One of the schemas that a schema is made of, and the parts that it applies.

    Args:
        schema: Itself.
        resolver: Follows its references.
        part_of: Makes a part of a schema and its resolver; the same ones make the same part.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        resolver: Resolver[Any],
        part_of: Callable[[Mapping[str, Any], Resolver[Any]], _Part],
    ) -> None:
        self._schema = schema
        self._resolver = resolver
        self._part_of = part_of

    @cached_property
    def same(self) -> list[_Part]:
        """Those that are applied to the same value."""
        inner = [one for path, one in schemas_in(self._schema) if path[0] in _SAME_VALUE]
        return [
            *(self._part_of(one, self._resolver) for one in inner),
            *(
                self._part_of(found.contents, found.resolver)
                for found in self._referred()
                if isinstance(found.contents, dict)
            ),
        ]

    def _referred(self) -> Iterator[Resolved[Any]]:
        for name in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(ref := self._schema.get(name), str):
                try:
                    yield self._find(name, ref)
                except _NOWHERE:
                    continue  # the compiler has taken it, so it is not used

    def _find(self, keyword: str, ref: str) -> Resolved[Any]:
        if keyword == "$recursiveRef":
            return lookup_recursive_ref(self._resolver)
        return self._resolver.lookup(ref)

    @cached_property
    def listed(self) -> int:
        """How many items have a schema of their own."""
        lists = (self._schema.get(name) for name in ("items", "prefixItems"))
        return max((len(one) for one in lists if isinstance(one, list)), default=0)

    @cached_property
    def named(self) -> dict[str | int, _Part]:
        """Those that are applied to one member, by its name or number."""
        return {
            path[1]: self._part_of(one, self._resolver)
            for path, one in schemas_in(self._schema)
            if path[0] in ("properties", "prefixItems") or (path[0] == "items" and len(path) > 1)
        }

    @cached_property
    def patterns(self) -> list[tuple[Callable[[object], bool], _Part]]:
        """Those that are applied to the members whose name matches."""
        return [
            (matcher(str(path[1])), self._part_of(one, self._resolver))
            for path, one in schemas_in(self._schema)
            if path[0] == "patternProperties"
        ]

    @cached_property
    def rest(self) -> list[tuple[type, _Part]]:
        """Those for the members that no other keyword beside them has looked at."""
        return self._others(_REST)

    @cached_property
    def every(self) -> list[tuple[type, _Part]]:
        """Those for all members."""
        return self._others(_EVERY)

    def _others(self, keywords: Mapping[str, type]) -> list[tuple[type, _Part]]:
        return [
            (keywords[str(path[0])], self._part_of(one, self._resolver))
            for path, one in schemas_in(self._schema)
            if len(path) == 1 and path[0] in keywords
        ]

    def applied_to(self, member: str | int) -> Iterator[_Part]:
        """Those that are applied to the member of this name or number."""
        yield from (part for kind, part in self.every if kind is type(member))
        found = [self.named[member]] if member in self.named else []
        if isinstance(member, str):
            found += (part for is_match, part in self.patterns if is_match(member))
        if not found and not self._has(member):
            found = [part for kind, part in self.rest if kind is type(member)]
        yield from found

    def _has(self, member: str | int) -> bool:
        """Whether something is said of this very member, if only ``true``."""
        if isinstance(member, int):
            return member < self.listed
        properties = self._schema.get("properties")
        return isinstance(properties, dict) and member in properties


class _Applied:
    """The parts that are applied to one value, with all that they apply to it, and how often."""

    def __init__(self, parts: Mapping[_Part, int]) -> None:
        times, self.times = Counter(parts), Counter[_Part]()
        for part in reversed(_outermost_last(parts)):
            self.times[part] = times[part]
            for inner in part.same:
                times[inner] += times[part]
        self.looks = self.times.total()
        self.listed = max((part.listed for part in self.times), default=0)

    def to(self, member: str | int) -> _Applied:
        """What is applied to a member of the value."""
        parts = Counter[_Part]()
        for part, times in self.times.items():
            for inner in part.applied_to(member):
                parts[inner] += times
        return _Applied(parts)


def _outermost_last(parts: Iterable[_Part]) -> list[_Part]:
    """The parts and all that they apply to the same value: each behind those that it applies.

    A circle among them is no work: validators know it, and end where it began.
    """
    found: dict[_Part, None] = {}
    entered: set[_Part] = set()
    left = [(part, False) for part in parts]
    while left:
        part, is_done = left.pop()
        if is_done:
            found[part] = None
        elif part not in entered:
            entered.add(part)
            left.append((part, True))
            left += ((inner, False) for inner in part.same)
    return list(found)


class Looks:
    """How often a validator of ``schema`` looks at the values of a record, at the most.

    Args:
        schema: It compiles.
        draft: What it is read by.
    """

    def __init__(self, schema: Mapping[str, Any], draft: Specification[Any]) -> None:
        self._schema = schema
        self._draft = draft
        registry = REGISTRY.with_resource(_ROOT, draft.create_resource(schema))
        with suppress(*_NOWHERE):  # `extends` of draft 3: the library takes it for a list
            registry = registry.crawl()
        self._resolver = registry.resolver(_ROOT)
        self._begin()

    def _begin(self) -> None:
        """Know nothing of the schema yet: its parts are looked for as they are needed."""
        self._parts: dict[object, _Part] = {}
        self._root = self._part(self._schema, self._resolver)
        # Of records that are alike, the same is asked again and again.
        self._to = lru_cache(_APPLIED_KEPT)(_Applied.to)
        self._to_record = _Applied({self._root: 1})

    def _part(self, schema: Mapping[str, Any], resolver: Resolver[Any]) -> _Part:
        resolver = resolver.in_subresource(self._draft.create_resource(schema))
        # What a dynamic reference means depends on where each document was first entered.
        scope = [*reversed([uri for uri, _ in resolver.dynamic_scope()]), resolver._base_uri]  # noqa: SLF001 - no public name
        key = id(schema), scope[-1], *dict.fromkeys(scope)
        if key not in self._parts:
            self._parts[key] = _Part(schema, resolver, self._part)
        return self._parts[key]

    @property
    def may_be_too_many(self) -> bool:
        """Whether there may be records that take more looks than they may."""
        try:
            return _most(self._root, {}) > FREE_LOOKS
        except RecursionError:
            return True

    def are_too_many(self, record: object, check: Callable[[], None] = lambda: None) -> bool:
        """Whether this one does.

        Args:
            record: It may be as large as a line.
            check: Called now and then; what it raises ends the counting.
        """
        more = 0
        for number, looks in enumerate(self.at_each_value(record)):
            if number % CHECKED_EVERY == 0:
                check()
            if looks > FREE_LOOKS and (more := more + looks - FREE_LOOKS) > MOST_LOOKS:
                return True
        return False

    def at_each_value(self, record: object) -> Iterator[int]:
        """The looks at each value that is looked at: the record, its members, theirs."""
        if len(self._parts) > _PARTS_KEPT:  # records can make ever new ones of dynamic references
            self._begin()
        left = [(self._to_record, record)]
        yield self._to_record.looks
        while left:
            applied, value = left.pop()
            for member, inner in _members(value, applied.listed):
                inside = self._to(applied, member)
                if inside.looks:
                    yield inside.looks
                    if isinstance(inner, dict | list):
                        left.append((inside, inner))


def _members(value: object, listed: int) -> Iterable[tuple[str | int, object]]:
    """The members of a value, and how schemas tell them apart: the first items by their number."""
    if isinstance(value, dict):
        return value.items()
    items = value if isinstance(value, list) else ()
    return ((min(i, listed), one) for i, one in enumerate(items))


def _most(part: _Part, known: dict[_Part, float]) -> float:
    """The most looks at one value that applying ``part`` leads to; infinite in a circle.

    Names and numbers tell members apart; how patterns overlap is not looked at.
    """
    if part not in known:
        known[part] = math.inf
        shared = [
            *(one for _, one in part.patterns),
            *(one for _, one in (*part.rest, *part.every)),
        ]
        members = max((_most(one, known) for one in part.named.values()), default=0)
        members += sum(_most(one, known) for one in shared)
        known[part] = max(1, members) + sum(_most(one, known) for one in part.same)
    return known[part]
