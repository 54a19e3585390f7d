"""Whether schemas still keep what earlier ones of the same version promised.

Of what fitsense tells, all that is valid now was valid before, so that whoever reads it by an old schema gets along,
and what readers wait for still comes. Of what fitsense is told, all that was valid before is valid now. Both are one
question, asked in one direction or the other: does every document of one schema obey another? Only the schemas are
looked at, and where they do not show that it does, the answer is no.

``python -m tests.schemas.evolution`` says what breaks; ``--write``, at a release, records the schemas as released.
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
"""What fitsense is told; all others are what it tells."""

Schema = Mapping[str, Any]
Schemas = Mapping[str, Schema]

# What says nothing of which documents are valid.
_NOTES = {"$schema", "$id", "$defs", "title", "description"}
_LEAST = ("minLength", "minItems", "minProperties")
_MOST = ("maxLength", "maxItems", "maxProperties")
_LOOKED_AT = {
    *(*_NOTES, *_LEAST, *_MOST, "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "type", "enum", "const"),
    *("properties", "required", "additionalProperties", "propertyNames", "items", "allOf"),
}
_TYPES = {"array", "boolean", "integer", "null", "number", "object", "string"}


def released(folder: Path = FOLDER) -> Schemas:
    """The schemas as they last went out, by name. One that never did is not among them, and may change."""
    files = sorted(folder.glob(f"*{SUFFIX}"))
    return {file.name.removesuffix(SUFFIX): json.loads(file.read_text("utf-8")) for file in files}


def breaking(old: Schemas, new: Schemas) -> list[str]:
    """What others may stumble over, a line each; empty if nothing."""
    lines = []
    for name, document in old.items():
        if name not in new:
            lines.append(f"{name}: is gone")
            continue
        was, now = _inlined(document, name, old), _inlined(new[name], name, new)
        lines += differences(was, now, name, told=name not in READ)
        # Plugins' schemas may refer to them.
        for part, definition in was.get("$defs", {}).items():
            if part in now.get("$defs", {}):
                lines += differences(definition, now["$defs"][part], f"{name}#{part}", told=True)
            else:
                lines.append(f"{name}#{part}: is gone")
    return lines


def differences(old: Any, new: Any, place: str, *, told: bool) -> list[str]:
    """Where a change from one schema, without references, to another breaks somebody; a line each.

    :param told: whether fitsense tells such documents; else it is told them.
    """
    if told:
        return list(_Question(told=True).differences(old, new, place))
    # A word that is not known is refused.
    return list(_Question(told=False).differences(closed(new), closed(old), place))


@attrs.frozen
class _Question:
    """Does every document of a schema, `narrow`, obey another, `wide`?

    :param told: whether `narrow` is the new one, of what fitsense tells, and `wide` the old; else it is the other way
        round.
    """

    told: bool

    def differences(self, wide: Any, narrow: Any, place: str) -> Iterator[str]:
        """Where it may not, a line each."""
        wide, narrow = ({} if schema is True else schema for schema in (wide, narrow))
        # Everything obeys an empty one.
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
        if possible is None or (self.told and known is not None and known != possible):
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
        for keyword in _LEAST:
            if narrow.get(keyword, 0) < wide.get(keyword, 0):
                yield self._change(place, keyword, wide[keyword], narrow.get(keyword))
        for keyword in _MOST:
            if narrow.get(keyword, math.inf) > wide.get(keyword, math.inf):
                yield self._change(place, keyword, wide[keyword], narrow.get(keyword))

    def _parts(self, wide: Schema, narrow: Schema, place: str) -> Iterator[str]:
        known, unknown = wide.get("properties", {}), wide.get("additionalProperties", True)
        properties, others = narrow.get("properties", {}), narrow.get("additionalProperties", True)
        for name in wide.get("required", ()):
            if name not in narrow.get("required", ()):
                yield self._change(f"{place}.{name}", "required", True, False)
        for name in {**known, **properties}:
            if self.told and name in known and name not in properties:
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
        for keyword in sorted({*wide, *narrow} - _LOOKED_AT):
            # Another rule makes less valid, but what is left out now and then means something to both.
            if (keyword in wide or keyword == "default") and not _same(wide.get(keyword), narrow.get(keyword)):
                yield self._change(place, keyword, wide.get(keyword), narrow.get(keyword))

    def _change(self, place: str, what: str, wide: Any, narrow: Any) -> str:
        was, now = (wide, narrow) if self.told else (narrow, wide)
        return f"{place}: {what}: was {_text(was)}, is {_text(now)}"


def _inlined(part: Any, home: str, documents: Schemas) -> Any:
    """A schema with what it refers to in the places of its references."""
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
    """All that a document may be, as JSON; None where that is not so few."""
    words = [schema["const"]] if "const" in schema else schema.get("enum")
    return None if words is None else {json.dumps(word, sort_keys=True) for word in words}


def _same(one: Any, other: Any) -> bool:
    """Whether two are the same JSON; to Python, 1 is true as well."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _types(schema: Schema) -> set[str]:
    named = schema.get("type", sorted(_TYPES))
    types = {named} if isinstance(named, str) else set(named)
    return types | {"integer"} if "number" in types else types


def _lower(schema: Schema) -> tuple[float, bool]:
    """The least number, and whether it is no longer allowed; more is narrower."""
    return max((schema.get("minimum", -math.inf), False), (schema.get("exclusiveMinimum", -math.inf), True))


def _upper(schema: Schema) -> tuple[float, bool]:
    """The same for the largest, with its sign changed."""
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
