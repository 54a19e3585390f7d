"""Compatibility of schemas with the released ones of the same version.

Documents that fitsense emits must also be valid by the released schema, so that old readers understand them, and must
keep all properties. Documents that fitsense reads must stay valid. Both are one question in opposite directions: does
every document of one schema obey another? The answer follows from the schemas only, and is no unless they prove it.

``python -m tests.schemas.evolution`` prints breaking changes; ``--write`` records the schemas at a release.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from fitsense.events.schema import VERSION, closed, schemas, validator

FOLDER = Path(__file__).with_name("released") / VERSION
SUFFIX = ".schema.json"
READ = ("model", "server.control", "server.session.request")
"""Schemas of documents that fitsense reads; it emits those of all others."""

Schema = Mapping[str, Any]
Schemas = Mapping[str, Schema]

# Keywords without an effect on validity.
_ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description"}
_MIN_KEYWORDS = ("minLength", "minItems", "minProperties")
_MAX_KEYWORDS = ("maxLength", "maxItems", "maxProperties")
_KNOWN_KEYWORDS = {
    *(
        *_ANNOTATIONS,
        *_MIN_KEYWORDS,
        *_MAX_KEYWORDS,
        "minimum",
        "exclusiveMinimum",
        "maximum",
        "exclusiveMaximum",
        "type",
        "enum",
        "const",
    ),
    *("properties", "required", "additionalProperties", "propertyNames", "items", "allOf"),
}
_TYPES = {"array", "boolean", "integer", "null", "number", "object", "string"}


def released(folder: Path = FOLDER) -> Schemas:
    """The released schemas by name. Unreleased ones are not among them, and may change."""
    files = sorted(folder.glob(f"*{SUFFIX}"))
    return {file.name.removesuffix(SUFFIX): json.loads(file.read_text("utf-8")) for file in files}


def breaking(old: Schemas, new: Schemas) -> list[str]:
    """Breaking changes, one per line; empty for none."""
    lines = []
    for name, document in old.items():
        if name not in new:
            lines.append(f"{name}: is gone")
            continue
        was, now = _inlined(document, name, old), _inlined(new[name], name, new)
        lines += differences(was, now, name, emitted=name not in READ)
        # Schemas of plugins may refer to definitions.
        for part, definition in was.get("$defs", {}).items():
            if part in now.get("$defs", {}):
                lines += differences(definition, now["$defs"][part], f"{name}#{part}", emitted=True)
            else:
                lines.append(f"{name}#{part}: is gone")
    return lines


def differences(old: Any, new: Any, place: str, *, emitted: bool) -> list[str]:
    """Breaking changes from one schema without references to another, one per line.

    :param emitted: whether fitsense emits such documents; if not, it reads them.
    """
    if emitted:
        return list(_Inclusion(emitted=True).differences(old, new, place))
    # Unknown words are refused.
    return list(_Inclusion(emitted=False).differences(closed(new), closed(old), place))


@attrs.frozen
class _Inclusion:
    """Does every document of the schema `narrow` obey the schema `wide`?

    :param emitted: whether fitsense emits the documents, so that `narrow` is the new schema and `wide` the old one; if
        not, it is the other way round.
    """

    emitted: bool

    def differences(self, wide: Any, narrow: Any, place: str) -> Iterator[str]:
        """Places where it may not, one per line."""
        wide, narrow = ({} if schema is True else schema for schema in (wide, narrow))
        # All documents obey an empty schema.
        if narrow is False or wide == {} or _same(wide, narrow):
            return
        if wide is False:
            yield self._change(place, "allowed", False, True)
            return
        words = _words(wide), _words(narrow)
        if words != (None, None):
            yield from self._words(wide, words, place)
            return
        if not _types(narrow) <= _types(wide):
            yield self._change(place, "type", wide.get("type"), narrow.get("type"))
        yield from self._bounds(wide, narrow, place)
        yield from self._parts(wide, narrow, place)
        yield from self._rules(wide, narrow, place)

    def _words(self, wide: Schema, words: tuple[set[str] | None, set[str] | None], place: str) -> Iterator[str]:
        known, possible = words
        if possible is None or (self.emitted and known is not None and known != possible):
            yield self._change(place, "values", *(part and sorted(part) for part in words))
        else:
            for word in sorted(possible):
                if not validator(wide).is_valid(json.loads(word)):
                    yield self._change(place, "value", None, json.loads(word))

    def _bounds(self, wide: Schema, narrow: Schema, place: str) -> Iterator[str]:
        if _lower(narrow) < _lower(wide):
            yield self._change(place, "minimum", _lower(wide)[0], _lower(narrow)[0])
        if _upper(narrow) < _upper(wide):
            yield self._change(place, "maximum", -_upper(wide)[0], -_upper(narrow)[0])
        for keyword in _MIN_KEYWORDS:
            if narrow.get(keyword, 0) < wide.get(keyword, 0):
                yield self._change(place, keyword, wide[keyword], narrow.get(keyword))
        for keyword in _MAX_KEYWORDS:
            if narrow.get(keyword, math.inf) > wide.get(keyword, math.inf):
                yield self._change(place, keyword, wide[keyword], narrow.get(keyword))

    def _parts(self, wide: Schema, narrow: Schema, place: str) -> Iterator[str]:
        known, unknown = wide.get("properties", {}), wide.get("additionalProperties", True)
        properties, others = narrow.get("properties", {}), narrow.get("additionalProperties", True)
        for name in wide.get("required", ()):
            if name not in narrow.get("required", ()):
                yield self._change(f"{place}.{name}", "required", True, False)
        for name in {**known, **properties}:
            if self.emitted and name in known and name not in properties:
                yield f"{place}.{name}: is gone"
                continue
            yield from self.differences(known.get(name, unknown), properties.get(name, others), f"{place}.{name}")
        yield from self.differences(unknown, others, f"{place}.*")
        for keyword, part in (("propertyNames", "{}"), ("items", "[]")):
            yield from self.differences(wide.get(keyword, {}), narrow.get(keyword, {}), f"{place}{part}")

    def _rules(self, wide: Schema, narrow: Schema, place: str) -> Iterator[str]:
        rules = narrow.get("allOf", [])
        for rule in wide.get("allOf", ()):
            if not any(_same(rule, other) for other in rules):
                yield self._change(place, "allOf", rule, None)
        for keyword in sorted({*wide, *narrow} - _KNOWN_KEYWORDS):
            # An additional keyword only narrows, except for a default, which gives missing properties a meaning.
            if (keyword in wide or keyword == "default") and not _same(wide.get(keyword), narrow.get(keyword)):
                yield self._change(place, keyword, wide.get(keyword), narrow.get(keyword))

    def _change(self, place: str, what: str, wide: Any, narrow: Any) -> str:
        was, now = (wide, narrow) if self.emitted else (narrow, wide)
        return f"{place}: {what}: was {_text(was)}, is {_text(now)}"


def _inlined(part: Any, home: str, documents: Schemas) -> Any:
    """A schema with references replaced by their targets."""
    if isinstance(part, list):
        return [_inlined(one, home, documents) for one in part]
    if not isinstance(part, Mapping):
        return part
    if "$ref" not in part:
        return {key: _inlined(value, home, documents) for key, value in part.items()}
    address, _, pointer = part["$ref"].partition("#")
    name = address.removeprefix(f"urn:fitsense:{VERSION}:") or home
    target: Any = documents[name]
    for key in pointer.split("/")[1:]:
        target = target[key]
    beside = {key: value for key, value in part.items() if key != "$ref"}
    return {**_inlined(target, name, documents), **_inlined(beside, home, documents)}


def _words(schema: Schema) -> set[str] | None:
    """The enumerated values as JSON; None for a schema without an enumeration."""
    words = [schema["const"]] if "const" in schema else schema.get("enum")
    return None if words is None else {json.dumps(word, sort_keys=True) for word in words}


def _same(one: Any, other: Any) -> bool:
    """True if two values are equal as JSON; in Python, 1 equals True."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _types(schema: Schema) -> set[str]:
    named = schema.get("type", sorted(_TYPES))
    types = {named} if isinstance(named, str) else set(named)
    return types | {"integer"} if "number" in types else types


def _lower(schema: Schema) -> tuple[float, bool]:
    """The minimum, and whether it is exclusive; larger is narrower."""
    return max((schema.get("minimum", -math.inf), False), (schema.get("exclusiveMinimum", -math.inf), True))


def _upper(schema: Schema) -> tuple[float, bool]:
    """The negated maximum, and whether it is exclusive; larger is narrower."""
    return max((-schema.get("maximum", math.inf), False), (-schema.get("exclusiveMaximum", math.inf), True))


def _text(value: Any) -> str:
    return "anything" if value in (None, math.inf, -math.inf) else json.dumps(value)


def main(arguments: list[str] | None = None, folder: Path = FOLDER) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.schemas.evolution", description=__doc__)
    parser.add_argument("--write", action="store_true", help="record the schemas as released")
    given = parser.parse_args(arguments)
    old, new = released(folder), schemas()
    if lines := breaking(old, new):
        sys.stderr.write("\n".join([*lines, "", "Keep what others rely on, or begin a new version's folder.\n"]))
        return 1
    for name in sorted(new.keys() - old.keys()):
        sys.stdout.write(f"{name}: not released yet\n")
    if given.write:
        folder.mkdir(parents=True, exist_ok=True)
        for name, document in new.items():
            (folder / f"{name}{SUFFIX}").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
        sys.stdout.write(f"{len(new)} schemas are recorded as released\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
