"""Schemas stay compatible with the released ones, and breaking changes are found."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitsense.events.schema import closed, schemas, validator
from tests.schemas.evolution import SUFFIX, breaking, differences, main, released

Edit = Callable[[dict[str, Any]], None]

OLD: dict[str, Any] = {
    **released(),
    "server.session.request": schemas()["server.session.request"],
    "server.session": schemas()["server.session"],
}
"""What was released, and of the rest what is needed here."""


def changed(**edits: Edit) -> dict[str, Any]:
    """The schemas after edits, by names with _ for dots."""
    new: dict[str, Any] = copy.deepcopy(OLD)
    for name, edit in edits.items():
        edit(new[name.replace("_", ".")])
    return new


def put(path: str, value: Any) -> Edit:
    """Set what is at a path."""

    def edit(document: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        for key in parents:
            document = document[key]
        document[last] = value

    return edit


def drop(path: str) -> Edit:
    """Remove what is at a path: a key, or a word of a list."""

    def edit(document: Any) -> None:
        *parents, last = path.split("/")
        for key in parents:
            document = document[key]
        if isinstance(document, list):
            document.remove(json.loads(last))
        else:
            del document[last]

    return edit


def test_breaking_current_schemas_is_empty() -> None:
    assert breaking(released(), schemas()) == []


def test_released_has_all_events() -> None:
    # A new one stands here until `python -m tests.schemas.evolution --write` records it at a release.
    assert {name for name in schemas() if name not in released()} == {
        "server.control",
        "server.problem",
        "server.session",
        "server.session.request",
    }


@pytest.mark.parametrize(
    ("edits", "complaint"),
    [
        # Emitted documents: nothing may be removed or changed.
        ({"exercise_ended": drop("properties/exercise")}, "exercise.ended.exercise: is gone"),
        ({"exercise_ended": drop("properties/attempts")}, "exercise.ended.attempts: is gone"),
        (
            {"exercise_started": drop('required/"start_s"')},
            "exercise.started.start_s: required: was true, is false",
        ),
        ({"envelope": drop('required/"sequence"')}, "envelope.sequence: required: was true, is false"),
        (
            {"exercise_updated": put("properties/start_s/type", "string")},
            'exercise.updated.start_s: type: was "number", is "string"',
        ),
        (
            {"exercise_updated": put("properties/start_s/type", ["number", "null"])},
            'exercise.updated.start_s: type: was "number", is ["number", "null"]',
        ),
        ({"exercise_updated": drop("properties/start_s/type")}, 'start_s: type: was "number", is anything'),
        ({"session_ended": put("properties/frames/type", "number")}, 'frames: type: was "integer", is "number"'),
        ({"session_ended": drop("properties/frames/minimum")}, "session.ended.frames: minimum: was 0, is anything"),
        (
            {"session_started": lambda one: one["properties"].update(hop_s={"type": "number", "minimum": 0})},
            "session.started.hop_s: minimum: was 0, is 0",
        ),
        ({"session_started": drop("properties/exercises/minItems")}, "exercises: minItems: was 1, is anything"),
        ({"session_started": drop("properties/exercises/uniqueItems")}, "exercises: uniqueItems: was true"),
        ({"session_warning": drop("properties/code/pattern")}, "session.warning.code: pattern: was"),
        ({"session_warning": put("properties/code/pattern", "^[A-Z]+$")}, 'is "^[A-Z]+$"'),
        ({"envelope": drop("properties/time/format")}, 'envelope.time: format: was "date-time", is anything'),
        ({"envelope": put("properties/specversion/const", "2.0")}, 'envelope.specversion: values: was ["\\"1.0\\""]'),
        ({"envelope": put("properties/specversion", {"type": "string"})}, "envelope.specversion: values: was"),
        ({"envelope": lambda one: one["allOf"].pop(0)}, "envelope: allOf: was"),
        (
            {"server_session": drop('properties/state/enum/"ending"')},
            'server.session.state: values: was ["\\"ended\\"", "\\"ending\\"", "\\"open\\""], is',
        ),
        ({"server_session": lambda one: one["properties"]["state"]["enum"].append("paused")}, "session.state: values"),
        ({"server_session": drop("properties/state/enum")}, "server.session.state: values: was"),
        # Also in shared definitions, lists and maps.
        ({"common": put("$defs/confidence/maximum", 100)}, "exercise.started.confidence: maximum: was 1, is 100"),
        ({"common": drop("$defs/set/properties/index")}, "exercise.ended.sets[].index: is gone"),
        ({"common": drop('$defs/set/required/"index"')}, "session.ended.sets[].index: required: was true, is false"),
        ({"common": put("$defs/scores/maxProperties", 9)}, "exercise.ended.scores: maxProperties: was 5, is 9"),
        ({"common": drop("$defs/muscles/additionalProperties/maximum")}, "muscles.*: maximum: was 1, is anything"),
        ({"common": drop("$defs/muscle_group/pattern")}, "muscles.activated.muscles{}: pattern: was"),
        (
            {"session_ended": drop('properties/exercises/items/required/"sets"')},
            "session.ended.exercises[].sets: required",
        ),
        # Documents that are read: no new requirement and no new refusal.
        ({"server_session_request": drop("properties/policy")}, "request.policy: allowed: was true, is false"),
        ({"server_session_request": put("required", ["bundle"])}, "request.bundle: required: was false, is true"),
        ({"server_session_request": drop('properties/policy/enum/"all"')}, 'request.policy: value: was "all"'),
        ({"server_session_request": put("properties/bundle/type", "string")}, 'bundle: type: was ["string", "null"]'),
        ({"server_session_request": put("properties/hop_s/minimum", 1)}, "request.hop_s: minimum: was 0.1, is 1"),
        ({"server_session_request": put("properties/hop_s/default", 2)}, "request.hop_s: default: was 1.0, is 2"),
        ({"server_session_request": put("properties/source/maxLength", 9)}, "source: maxLength: was 1024, is 9"),
        (
            {"server_session_request": put("properties/source/pattern", "^[a-z]+$")},
            "request.source: pattern: was anything",
        ),
        ({"model": put("properties/format/const", 2)}, "model.format: value: was 1"),
        ({"model": drop("properties/summary")}, "model.summary: allowed: was true, is false"),
    ],
)
def test_breaking_incompatible_change_is_found(edits: dict[str, Edit], complaint: str) -> None:
    lines = breaking(OLD, changed(**edits))
    assert any(complaint in line for line in lines), lines


def test_breaking_removed_schema_or_definition_is_found() -> None:
    new = dict(changed(common=drop("$defs/attempts"), exercise_ended=drop("properties/attempts")))
    new["common"]["$defs"]["set"]["properties"].pop("attempts")
    new["session.ended"]["properties"]["exercises"]["items"]["properties"].pop("attempts")
    del new["muscles.activated"]
    lines = breaking(OLD, new)
    assert "muscles.activated: is gone" in lines
    assert "common#attempts: is gone" in lines


@pytest.mark.parametrize(
    "edits",
    [
        {"exercise_ended": put("properties/effort", {"type": "number"})},
        {"exercise_ended": lambda one: one["required"].append("repetitions")},
        {"exercise_ended": put("description", "In other words.")},
        {"session_ended": put("properties/idle_s/minimum", 1)},
        {"session_ended": put("properties/idle_s/type", "integer")},
        {"common": put("$defs/effort", {"type": "number"})},
        {"common": put("$defs/tempo_mean_s/type", "number")},
        {"common": put("$defs/set/properties/side", {"enum": ["left", "right"]})},
        {"envelope": lambda one: one["allOf"].append({"if": {}, "then": {}})},
        {"server_session": put("properties/name", {"type": "string"})},
        {"server_session_request": put("properties/name", {"type": "string"})},
        {"server_session_request": lambda one: one["properties"]["policy"]["enum"].append("newest")},
        {"server_session_request": put("properties/hop_s/type", ["number", "null"])},
        {"server_session_request": put("properties/hop_s/maximum", 600)},
        {"model": lambda one: one["required"].remove("licence")},
    ],
)
def test_breaking_additions_are_allowed(edits: dict[str, Edit]) -> None:
    assert breaking(OLD, {**changed(**edits), "exercise.paused": {"type": "object"}}) == []


def test_evolution_command_records_compatible_schemas_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--write"], tmp_path) == 0
    assert released(tmp_path) == schemas()
    assert main([], tmp_path) == 0
    file = tmp_path / f"exercise.started{SUFFIX}"
    document = json.loads(file.read_text("utf-8"))
    document["required"].append("reason")
    document["properties"]["reason"] = {"type": "string"}
    file.write_text(json.dumps(document), "utf-8")
    assert main(["--write"], tmp_path) == 1
    assert "exercise.started.reason: is gone" in capsys.readouterr().err
    assert json.loads(file.read_text("utf-8")) == document


NUMBERS = st.sampled_from([-1, 0, 1, 1.5, 2])
TEXTS = st.sampled_from(["", "a", "b", "ab"])
NAMES = st.sampled_from(["a", "b"])
LEAVES: Any = st.sampled_from(
    [{}, True, False, {"type": "number"}, {"type": "string"}, {"minimum": 1}, {"enum": ["a", 1]}]
)


def some(**keywords: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas with some of these keywords."""
    return st.fixed_dictionaries({}, optional=keywords)


def types(*names: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(names) | st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)


KINDS: dict[str, tuple[st.SearchStrategy[dict[str, Any]], st.SearchStrategy[Any]]] = {
    "number": (
        some(
            type=types("number", "integer", "null"),
            minimum=st.integers(-1, 1),
            exclusiveMinimum=st.integers(-1, 1),
            maximum=st.integers(0, 2),
            exclusiveMaximum=st.integers(0, 2),
            multipleOf=st.sampled_from([1, 2]),
        ),
        NUMBERS | st.none(),
    ),
    "text": (
        some(
            type=types("string", "null"),
            minLength=st.integers(0, 2),
            maxLength=st.integers(0, 2),
            pattern=st.sampled_from(["^a", "b"]),
        ),
        TEXTS | st.none(),
    ),
    "word": (
        some(
            enum=st.lists(st.sampled_from(["a", "b", 1, True, None]), min_size=1, max_size=2, unique_by=json.dumps),
            const=st.sampled_from(["a", 1, True]),
            type=types("string", "integer", "boolean"),
            minLength=st.integers(0, 2),
        ),
        st.sampled_from(["", "a", "b", 1, True, None]),
    ),
    "list": (
        some(items=LEAVES, minItems=st.integers(0, 2), maxItems=st.integers(0, 2), uniqueItems=st.booleans()),
        st.lists(NUMBERS | TEXTS, max_size=3),
    ),
    "object": (
        some(
            properties=st.dictionaries(NAMES, LEAVES, max_size=2),
            required=st.lists(NAMES, max_size=2, unique=True),
            additionalProperties=LEAVES,
            propertyNames=st.sampled_from([{}, {"pattern": "a"}]),
            minProperties=st.integers(0, 1),
            maxProperties=st.integers(0, 2),
        ),
        st.dictionaries(NAMES, NUMBERS | TEXTS, max_size=2),
    ),
}
"""Schemas of each kind of document, and such documents."""


@st.composite
def cases(draw: st.DrawFn, kind: str) -> tuple[dict[str, Any], dict[str, Any], list[Any]]:
    """A schema, one that it may have been changed into, and documents that may obey them."""
    schemas, documents = KINDS[kind]
    old, other = draw(schemas), draw(schemas)
    # One or two changes: of many, one that is found hides another that is not.
    keys = draw(st.lists(st.sampled_from(sorted({*old, *other}) or [""]), min_size=1, max_size=2))
    kept = {key: value for key, value in old.items() if key not in keys}
    new = {**kept, **{key: value for key, value in other.items() if key in keys}}
    return old, new, draw(st.lists(documents, min_size=1, max_size=10))


@pytest.mark.parametrize("kind", ["number", "text", "word", "list", "object"])
@settings(max_examples=200, deadline=None)
@given(st.data(), st.booleans())
def test_differences_empty_means_documents_are_valid(kind: str, data: st.DataObject, emitted: bool) -> None:
    old, new, documents = data.draw(cases(kind))
    if differences(old, new, "it", emitted=emitted):
        return
    # Old readers understand new documents; old documents are read now, except for unknown words.
    narrow, wide = (new, old) if emitted else (closed(old), closed(new))
    for document in documents:
        if validator(narrow).is_valid(document):
            assert validator(wide).is_valid(document)


@given(st.one_of([schemas for schemas, _ in KINDS.values()]))
def test_differences_to_itself_are_empty(schema: dict[str, Any]) -> None:
    assert differences(schema, copy.deepcopy(schema), "it", emitted=True) == []
    assert differences(schema, copy.deepcopy(schema), "it", emitted=False) == []
