"""The directive ``schema``: one of fitsense's JSON Schemas as a table of its properties, with its example."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from fitsense.events.schema import VERSION, schema

# What says of a value more than its type.
_BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "pattern": "`{}`", "format": "{}"}


class SchemaTable(SphinxDirective):
    """``{schema} exercise.ended`` shows the schema of that name; ``{schema} common#set`` one of its definitions."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name, _, definition = self.arguments[0].partition("#")
        document = schema(name)
        text = markdown(document["$defs"][definition] if definition else document, document)
        return self.parse_text_to_nodes("\n".join([*text, *([] if definition else _example(name))]))


def markdown(shown: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    """The lines of Markdown that show a part of a document."""
    if "$id" in shown:
        yield f"`{shown['$id']}`"
        yield ""
    yield shown.get("description", "")
    yield ""
    yield "| property | is | |"
    yield "|---|---|---|"
    for path, value, required in _properties(shown, document):
        cells = (f"`{path}`", _kind(value, document) + ("" if required else ", optional"), value.get("description", ""))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _properties(
    shown: Mapping[str, Any], document: Mapping[str, Any], before: str = ""
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Yield every property with its path, including those of nested objects and of array items."""
    for name, written in shown.get("properties", {}).items():
        value = _resolved(written, document)
        path = f"{before}{name}"
        yield path, value, name in shown.get("required", ())
        # A shared definition has a separate table.
        inner = value.get("items", value)
        if "$ref" not in inner and "$ref" not in written:
            yield from _properties(inner, document, f"{path}[]." if "items" in value else f"{path}.")


def _resolved(value: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """`value` with what it refers to; its own words win."""
    if "$ref" not in value:
        return value
    home, _, pointer = value["$ref"].partition("#")
    keys = [key for key in pointer.split("/") if key]
    found: Any = schema(home) if home else document
    if not home and keys[-1] not in document.get("$defs", {}):
        # A shared definition refers to its neighbours.
        found = schema("common")
    for key in keys:
        found = found[key]
    return {**found, **{key: own for key, own in value.items() if key != "$ref"}}


def _kind(value: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Describe in words the values that a schema allows."""
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return " or ".join(f"`{json.dumps(one)}`" for one in value["enum"])
    types = value.get("type", "any")
    kind = " or ".join([types] if isinstance(types, str) else types)
    if "items" in value:
        is_set = value["items"].get("$ref", "").endswith("/set")
        kind += " of " + ("[set](#set)" if is_set else _kind(_resolved(value["items"], document), document))
    elif isinstance(others := value.get("additionalProperties"), Mapping):
        kind += " from ids to " + _kind(_resolved(others, document), document)
    bounds = [words.format(value[key]) for key, words in _BOUNDS.items() if key in value]
    return ", ".join([kind, *bounds])


def _example(name: str) -> Iterator[str]:
    """The schema's own valid example, which tests validate."""
    file = resources.files("fitsense.schemas").joinpath(VERSION, "examples", "valid", f"{name}.json")
    if file.is_file():
        yield from ("```json", file.read_text("utf-8").rstrip(), "```")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("schema", SchemaTable)
    return {"parallel_read_safe": True}
