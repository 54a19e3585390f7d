"""The schemas are valid, and accept and refuse their examples."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from fitsense.errors import SchemaError, UnknownNameError
from fitsense.events.schema import check_schema, closed, schema, schemas, validate_event, validator

EXAMPLES = resources.files("fitsense.schemas").joinpath("v1/examples")


def examples(kind: str) -> list[str]:
    return sorted(file.name for file in EXAMPLES.joinpath(kind).iterdir())


@pytest.mark.parametrize("name", sorted(schemas()))
def test_schemas_obey_the_metaschema_and_say_what_they_are(name: str) -> None:
    document = schema(name)
    check_schema(document)
    assert document["$id"] == f"urn:fitsense:v1:{name}"
    assert document["title"]
    assert document["description"]
    assert schema(document["$id"]) is document


@pytest.mark.parametrize("file", examples("valid"))
def test_valid_examples_are_valid(file: str) -> None:
    validate_event(json.loads(EXAMPLES.joinpath("valid", file).read_text("utf-8")))


@pytest.mark.parametrize("file", examples("invalid"))
def test_invalid_examples_are_not(file: str) -> None:
    with pytest.raises(SchemaError, match=r"at \$"):
        validate_event(json.loads(EXAMPLES.joinpath("invalid", file).read_text("utf-8")))


def test_examples_cover_all_event_types() -> None:
    names = {name for name in schemas() if not name.startswith("server.")} - {"common", "envelope", "model"}
    for kind in ("valid", "invalid"):
        assert names <= {file.removesuffix(".json") for file in examples(kind)}


def test_closed_schema_refuses_unknown_properties() -> None:
    document = {"exercise": "squat", "start_s": 1, "confidence": 0.5, "added_later": 1}
    open_schema = schema("exercise.started")
    assert validator(open_schema, schemas().values()).is_valid(document)
    assert not validator(closed(open_schema), schemas().values()).is_valid(document)


def test_schemas_allow_unknown_properties() -> None:
    for name, document in schemas().items():
        assert '"additionalProperties": false' not in json.dumps(document), name


def test_schema_unknown_name_lists_available_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"exercise\.ended"):
        schema("exercise.paused")
