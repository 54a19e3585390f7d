"""The OpenAPI and AsyncAPI documents: valid, complete, and as committed."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from starlette.routing import Route, WebSocketRoute

import fitsense
from fitsense.events.schema import schemas
from fitsense.server.api.asyncapi import asyncapi
from fitsense.server.api.components import event_names
from fitsense.server.api.openapi import openapi
from fitsense.server.config import ServeConfig
from fitsense.server.models import Bundles
from fitsense.server.run import create_server
from fitsense.server.security import Tokens
from tests.helpers.live_server import Running
from tests.server.asyncapi import FILE, text

ROOT = Path(__file__).parents[3]


def test_openapi_is_valid() -> None:
    validate(openapi())


def test_asyncapi_matches_committed_file() -> None:
    assert FILE.read_text("utf-8") == text(), "run  python -m tests.server.asyncapi"


def test_asyncapi_obeys_its_own_schema() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    find = "console.log(require.resolve('@asyncapi/specs/schemas/3.0.0.json'))"
    found = subprocess.run([node, "-e", find], cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("the npm package @asyncapi/specs is not installed: npm install --no-save @asyncapi/specs")
    validator = Draft7Validator(json.loads(Path(found.stdout.strip()).read_text("utf-8")))
    assert [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(asyncapi())] == []


def test_documents_describe_exactly_the_routes(model: fitsense.Model) -> None:
    server = create_server(ServeConfig(), Tokens(), Bundles([model], "pose/people"))
    app: Any = server.config.app
    there = {(route.path, method) for route in app.routes if isinstance(route, Route) for method in route.methods or ()}
    described = {
        (path, method.upper()) for path, item in openapi()["paths"].items() for method in item if method != "parameters"
    }
    assert described == {(path, method) for path, method in there if method != "HEAD"}
    sockets = {route.path for route in app.routes if isinstance(route, WebSocketRoute)}
    assert sockets == {channel["address"] for channel in asyncapi()["channels"].values() if "query" in str(channel)}


def test_documents_are_served(running: Running) -> None:
    with running.client() as client:
        assert client.get("/openapi.json").json() == openapi()
        assert client.get("/asyncapi.json").json() == asyncapi()


@pytest.mark.parametrize("name", event_names())
@pytest.mark.parametrize("document", [openapi(), asyncapi()], ids=["openapi", "asyncapi"])
def test_components_match_schemas(name: str, document: dict[str, Any]) -> None:
    registry: Registry[Any] = Registry().with_resource("urn:document", DRAFT202012.create_resource(document))

    def valid(event: Any, component: str) -> bool:
        schema = {"$ref": f"urn:document#/components/schemas/{component}"}
        return Draft202012Validator(schema, registry=registry).is_valid(event)

    folder = resources.files("fitsense.schemas").joinpath("v1/examples")
    good = json.loads(folder.joinpath("valid", f"{name}.json").read_text("utf-8"))
    bad = json.loads(folder.joinpath("invalid", f"{name}.json").read_text("utf-8"))
    assert valid(good, f"event.{name}")
    assert valid(good, "event")
    assert not valid(bad, f"event.{name}")


OF_PLUGINS = {
    "mine.tenth": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:fitsense:plugin:mine:tenth",
        "description": "Every tenth repetition.",
        "type": "object",
        "properties": {
            "total": {"$ref": "#/$defs/count"},
            "again": {"$ref": "urn:fitsense:plugin:mine:tenth#/$defs/count"},
        },
        "$defs": {"count": {"type": "integer"}},
    }
}


@pytest.mark.parametrize("document", [openapi(OF_PLUGINS), asyncapi(OF_PLUGINS)], ids=["openapi", "asyncapi"])
def test_components_have_the_events_of_plugins(document: dict[str, Any]) -> None:
    registry: Registry[Any] = Registry().with_resource("urn:document", DRAFT202012.create_resource(document))
    schema = {"$ref": "urn:document#/components/schemas/event.mine.tenth"}
    folder = resources.files("fitsense.schemas").joinpath("v1/examples/valid")
    event = json.loads(folder.joinpath("session.started.json").read_text("utf-8"))
    for total, expected in ((1, True), ("one", False)):
        added = {**event, "type": "mine.tenth", "data": {"total": total, "again": total}}
        assert Draft202012Validator(schema, registry=registry).is_valid(added) == expected
    if "asyncapi" in document:
        assert "mine.tenth" in {message.get("name") for message in document["components"]["messages"].values()}


def test_asyncapi_has_a_message_per_event() -> None:
    messages = asyncapi()["components"]["messages"]
    assert {message.get("name") for message in messages.values()} >= {f"fitsense.{name}" for name in event_names()}
    assert set(event_names()) <= set(schemas())
