"""Files of the playground, as the server delivers them."""

from __future__ import annotations

import json
import re

import pytest

import fitsense
from fitsense.catalogue import LANGUAGES
from fitsense.events.schema import schemas
from fitsense.server.playground import assets
from fitsense.server.security import Tokens
from tests.helpers.browser import TOKEN
from tests.helpers.http_answers import problem
from tests.helpers.live_server import Running, serving


@pytest.mark.parametrize("lang", LANGUAGES[1:])
def test_playground_page_is_translated(lang: str) -> None:
    page = assets()["index.html"].content.decode()
    body = re.sub(
        r"<(h1|option)\b.*?</\1>|<code>.*?</code>", "", page.partition("<body")[2].partition(">")[2], flags=re.DOTALL
    )
    texts = {text.strip() for text in re.findall(r">([^<>]+)<", body)} | set(re.findall(r'aria-label="([^"]*)"', body))
    signs = {"", "◐", "▶", "Token", "OpenAPI", "AsyncAPI", ",", ".", "0", "0:00", "0:00 / 0:00", "10 s"}
    translated = json.loads(assets()[f"facts.{lang}.json"].content)["texts"]
    assert texts - signs <= translated.keys()
    # The texts of the scripts: the first argument of t() and countOf(), and tables whose texts t() takes.
    asked = set()
    for name, asset in assets().items():
        if name.endswith(".js"):
            script = asset.content.decode()
            asked |= set(re.findall(r'\bt\(\s*"([^"]+)"', script)) | set(re.findall(r': t\("([^"]+)"\)', script))
            asked |= {f"{{n}} {one}{s}" for one in re.findall(r'countOf\([^"]+"(\w+)"\)', script) for s in ("", "s")}
    errors = assets()["errors.js"].content.decode()
    asked |= set(re.findall(r'"([A-Z][^"]{8,})"', errors.partition("/** Describe")[0]))
    asked |= set(re.findall(r"^  \"?([A-Z][\w ]+)\"?: \[$", assets()["coach.js"].content.decode(), re.MULTILINE))
    assert len(asked) > 70
    assert asked <= translated.keys()


def test_playground_files_have_types_headers_and_etags(running: Running) -> None:
    with running.client() as client:
        for name, asset in assets().items():
            answer = client.get("/" if name == "index.html" else f"/playground/{name}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, asset.media_type)
            assert answer.content == asset.content
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            known = client.get(answer.request.url, headers={"if-none-match": f"W/{answer.headers['etag']}"})
            assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", answer.headers["etag"])
        for path in ("/playground/routes.py", "/playground/__init__.py", "/playground/%2e%2e/routes.py"):
            problem(client.get(path), 404, "not-found")


def test_schemas_are_served(running: Running) -> None:
    with running.client() as client:
        for name, schema in schemas().items():
            answer = client.get(f"/schemas/v1/{name}")
            assert (answer.json(), answer.headers["content-type"]) == (schema, "application/schema+json")
        assert "exercise.started" in problem(client.get("/schemas/v1/nothing"), 404, "not-found")


def test_playground_and_schemas_need_no_token(model: fitsense.Model) -> None:
    with serving(model, tokens=Tokens([TOKEN])) as guarded, guarded.client() as client:
        for path in ("/", "/playground/app.js", "/schemas/v1/envelope"):
            assert client.get(path).status_code == 200
        problem(client.get("/v1/sessions"), 401, "unauthorized")


def test_playground_body_matches_reports() -> None:
    body = assets()["body.svg"].content.decode()
    facts = json.loads(assets()["facts.en.json"].content)
    drawn = set(re.findall(r'data-group="(\w+)"', body))
    assert {"quads", "glutes", "chest"} < drawn <= set(facts["muscle_groups"])
    assert "style" not in body
    assert facts["exercises"]["squat"] == "Squat"
    german = json.loads(assets()["facts.de.json"].content)
    assert (german["exercises"]["squat"], german["muscle_groups"]["chest"]) == ("Kniebeuge", "Brust")
    (listed,) = re.findall(r"^const LANGUAGES = (.*);$", assets()["app.js"].content.decode(), re.MULTILINE)
    assert tuple(json.loads(listed)) == LANGUAGES
    assert len(facts["scale"]["light"]) == len(set(facts["scale"]["dark"])) == 33
