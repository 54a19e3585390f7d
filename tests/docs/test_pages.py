"""Code blocks of the documentation run, parse or validate."""

from __future__ import annotations

import json
import re
import shlex
import sys
import tomllib
import types
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs
import click
import pytest

import fitsense
from fitsense._internal.configs import config_from_json
from fitsense.cli import main
from fitsense.events.schema import check_document, schemas, validate, validate_event, validator
from fitsense.server.config import config_of
from fitsense.sinks.settings import SinkSettings
from fitsense.synthetic.figures import FigureVideo
from fitsense.train.recipe import Recipe
from tests.helpers.doc_pages import PAGES, ROOT, blocks, languages

ELSEWHERE = {
    "README.md",  # test_readme
    "docs/how-to/client.md",  # test_client_page
    "docs/how-to/cookbook.md",  # test_cookbook_page
    "docs/how-to/export-workouts.md",  # tests/cli/test_workout
    "docs/how-to/fleet.md",  # test_fleet_page
    "docs/how-to/gpu.md",  # test_gpu_page
    "docs/how-to/live-sources.md",  # test_live_sources
    "docs/how-to/many-sources.md",  # test_many_sources
    "docs/how-to/send-events-elsewhere.md",  # test_sinks_page
    "docs/how-to/serve.md",  # tests/server/test_page
    "docs/how-to/several-people.md",  # below
    "docs/how-to/teach.md",  # tests/teaching/test_run
    "docs/how-to/train-on-your-own-clips.md",  # tests/cli/test_dataset
    "docs/plugins/trust.md",  # test_plugin_pages
    "docs/plugins/versions.md",  # test_plugin_pages
    "docs/tutorial/first-plugin.md",  # test_tutorial
    "docs/tutorial/first-trained-model.md",  # test_tutorial
}
"""Pages whose programs need more than an empty folder; another test runs them."""

PROGRAMS = {
    "curl",
    "export",
    "pip",
    "python",
    "python3",
    "pytest",
    "ruff",
    "mypy",
    "lint-imports",
    "source",
    "cat",
    "your-program",
    "node",
}
"""Programs other than fitsense in the documentation; not run here."""


@pytest.mark.parametrize("page", sorted(PAGES))
def test_page_blocks_use_checked_languages(page: str) -> None:
    assert languages(page) <= {"", "console", "json", "kotlin", "python", "swift", "text", "toml", "typescript"}


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python") and page not in ELSEWHERE])
def test_page_programs_run_and_print_the_shown_output(
    page: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    if page == "docs/how-to/bundles.md":
        # It loads a copy of gym, which no other bundle replaces.
        request.getfixturevalue("blazepose")
    monkeypatch.chdir(tmp_path)
    # A page that imports `my_module` gets the plugin of README.
    mine = types.ModuleType("my_module")
    exec(compile(blocks("README.md", "python")[1], "README.md", "exec"), mine.__dict__)
    monkeypatch.setitem(sys.modules, "my_module", mine)
    namespace = run(page)
    printed = capsys.readouterr().out
    for output in blocks(page, "text"):
        assert output in printed
    if page == "docs/tutorial/first-session.md":
        emitted = [event.to_dict()["data"] for event in namespace["first"] + namespace["second"]]
        assert emitted == [event.to_dict()["data"] for event in namespace["events"]]


def test_several_people_page_detector_tracks_people(
    model: fitsense.Model,
    squats: FigureVideo,
    squats_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = "docs/how-to/several-people.md"
    everybody, boxes, detector = blocks(page, "python")
    gap = 'network = ...  # read files["network"]'
    assert gap in detector
    detector = detector.replace(gap, "network = lambda picture: [(0.0, 0.0, 1.0, 1.0, 0.9)]")
    named = "@fitsense.hookimpl\ndef fitsense_plugin():\n    return fitsense.plugins.PluginInfo('mine', '1.0')"
    plugin = types.ModuleType("mine")
    exec(compile("\n".join(("import attrs, fitsense", detector, named)), page, "exec"), plugin.__dict__)
    host = fitsense.PluginManager.discover()
    assert host.register(plugin).provides == {"detectors": ("mine/mine",)}
    monkeypatch.setattr(fitsense.PluginManager, "discover", lambda: host)
    monkeypatch.chdir(tmp_path)
    Path("gym.mp4").write_bytes(squats_file.read_bytes())
    exec(compile(everybody.replace("pose/people", "mine/mine"), page, "exec"), {})
    assert re.search(r"^1 fitsense\.exercise\.ended$", capsys.readouterr().out, re.MULTILINE)
    exec(compile(boxes, page, "exec"), {"fitsense": fitsense, "model": model, "frames": squats})
    printed = capsys.readouterr().out
    assert {"rack 1 fitsense.session.ended", "rack 2 fitsense.session.ended"} <= set(printed.splitlines())


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "", "console")])
def test_page_commands_parse(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Parse without checking that files exist and without running the command.
    monkeypatch.setattr(click.Path, "convert", lambda self, value, parameter, context: Path(value))
    monkeypatch.setattr(click.Command, "invoke", lambda self, context: None)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for line in command_lines(page):
        for command in re.split(r"&&|\|", re.sub(r" [<>] \S+", "", line)):
            program, *arguments = shlex.split(command, comments=True)
            if program == "fitsense":
                main.main(arguments, standalone_mode=False)
                continue
            assert program in PROGRAMS, line
            assert set(re.findall(r"\.\[(\w+)\]", command)) <= set(extras), line
            if arguments[:1] == ["-m"] and arguments[1].startswith(("fitsense", "tests")):
                assert find_spec(arguments[1]), line


def command_lines(page: str) -> list[str]:
    """Return every line of plain blocks, and the typed lines of console blocks; a backslash continues a line."""
    typed = [line[2:] for text in blocks(page, "console") for line in text.splitlines() if line.startswith("$ ")]
    plain = (text.replace("\\\n", " ") for text in blocks(page, ""))
    return typed + [line for text in plain for line in text.splitlines() if line.strip()]


def _event(document: Mapping[str, Any]) -> None:
    validate_event(document)


def _recipe(document: Mapping[str, Any]) -> None:
    config_from_json(Recipe, document, "recipe")


def _manifest(document: Mapping[str, Any]) -> None:
    validate(document, "model")


def _problem(document: Mapping[str, Any]) -> None:
    validate(document, "server.problem")


def _extensions(document: Mapping[str, Any]) -> None:
    extensions = {"$ref": "urn:fitsense:v1:common#/$defs/extensions"}
    check_document(validator(extensions, schemas().values()), document["extensions"], "extensions")


KINDS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "specversion": _event,
    "format": _manifest,
    "branches": _recipe,
    "detail": _problem,
    "extensions": _extensions,
}
"""The check of a JSON document by a property of its kind; the first present property decides."""


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "json")])
def test_page_json_obeys_its_schema(page: str) -> None:
    for text in blocks(page, "json"):
        document = json.loads(text)
        check = next((check for property_, check in KINDS.items() if property_ in document), None)
        assert check, f"expected a known kind of JSON document, got {text}"
        check(document)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")])
def test_page_toml_is_a_valid_configuration(page: str) -> None:
    for text in blocks(page, "toml"):
        document = tomllib.loads(text)
        if "project" in document:
            assert document["project"]["entry-points"]["fitsense"]
        elif "sink" in document:
            assert config_from_json(SinkSettings, document, page)
        else:
            assert config_of(document).sources


def test_explained_settings_exist() -> None:
    fields = set(attrs.fields_dict(fitsense.DecisionConfig)) | set(attrs.fields_dict(fitsense.SessionConfig))
    for page in ("docs/explanation/decisions.md", "docs/explanation/windows.md"):
        assert set(re.findall(r"`([a-z]+(?:_[a-z]+)*_s)`", PAGES[page])) <= fields


def run(page: str) -> dict[str, Any]:
    """Run the programs of a page in one namespace, and return it."""
    namespace: dict[str, Any] = {}
    for program in blocks(page, "python"):
        exec(compile(program, page, "exec"), namespace)
    return namespace
