"""The pages on versions and trust: their programs, variables and limits."""

from __future__ import annotations

import json
import re
import types
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from click.testing import CliRunner

import fitsense
from fitsense._internal.configs import config_from_json
from fitsense.bundles import bundle
from fitsense.cli.plugins import command
from fitsense.plugins import hookspecs
from fitsense.plugins._deprecation import of_fields, of_hook
from fitsense.session import snapshot as snapshots
from fitsense.synthetic.figures import FigureVideo
from fitsense.testing import runner
from fitsense.train.recipe import Recipe

PAGES = Path(__file__).parents[2] / "docs/plugins"


def text(page: str) -> str:
    return (PAGES / f"{page}.md").read_text("utf-8")


def run(page: str) -> dict[str, Any]:
    """Return the names that the programs of a page define, run in order."""
    defined: dict[str, Any] = {}
    for program in re.findall(r"```python\n(.*?)```", text(page), re.DOTALL):
        exec(compile(program, page, "exec"), defined)
    return defined


def test_versions_page_runs() -> None:
    defined = run("versions")
    for deprecation in (of_hook(defined["fitsense_mixers"]), of_fields(defined["Spec"])["size"]):
        assert deprecation is not None
        assert (deprecation.since, deprecation.removed_in) == ("0.2.0", 2)


def test_events_page_passes_the_conformance_kit() -> None:
    module = types.ModuleType("milestones")
    vars(module).update(run("events"))
    outcomes = runner.run({"observer": runner.contracts_of(module)["observer of milestones"]})
    assert {outcome.status for outcome in outcomes} == {"held"}


def test_events_page_reader_matches_the_added_event(
    model: fitsense.Model, squats: FigureVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    defined = run("events")
    added = fitsense.PluginData("milestones.reached", "urn:fitsense:plugin:milestones:reached", {"repetitions": 10})
    for event in fitsense.analyze(squats, model=model):
        defined["show"](event)
        defined["show"](attrs.evolve(event, data=added))
        break
    assert capsys.readouterr().out == "10 repetitions\n"


def test_tasks_page_declares_a_valid_task() -> None:
    module = types.ModuleType("effort")
    vars(module).update(run("tasks"))
    host = fitsense.PluginManager()
    assert host.register(module).faults == ()
    contracts = runner.contracts_of(module)
    outcomes = runner.run({name: contracts[name] for name in ("task effort", "head effort/linear")})
    assert [outcome for outcome in outcomes if outcome.status == "broken"] == []
    recipe, event = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", text("tasks"), re.DOTALL))
    assert config_from_json(Recipe, recipe, "page").branches[0].tasks["effort"].head == "effort/linear"
    part = host.task("effort").part(("effort",), np.array([7.5], np.float32))
    assert event == {"extensions": {"effort": part}}


def test_trust_page_loads_only_allowed_plugins() -> None:
    defined = run("trust")
    loaded = {report.name for report in defined["plugins"].reports if report.status == "loaded"}
    assert loaded == {"x3d", "heads", "ensemble"}
    assert isinstance(defined["model"], fitsense.Model)


def test_trust_variable_blocks_named_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    (assignment,) = re.findall(r"`(FITSENSE_PLUGINS_BLOCK=.*?)`", text("trust"))
    monkeypatch.setenv(*assignment.split("="))
    monkeypatch.setenv("COLUMNS", "200")
    lines = CliRunner().invoke(command, []).output.splitlines()
    disabled = {line.split()[0] for line in lines if "blocked by the environment variable" in line}
    assert disabled == {"slowfast", "pose"}


def test_trust_page_states_the_limits_of_the_code() -> None:
    page = " ".join(text("trust").split())
    assert f"beyond {bundle._MAX_UNZIPPED_BYTES >> 30} GiB" in page
    assert f"more than {snapshots._MAX_UNPACKED_BYTES >> 30} GiB" in page


HOOKS = (PAGES.parent / "reference/hooks.md").read_text("utf-8")


def test_hooks_page_examples_form_a_valid_plugin() -> None:
    module = types.ModuleType("examples")
    for program in re.findall(r"```python\n(.*?)```", HOOKS, re.DOTALL):
        exec(compile(program, "hooks.md", "exec"), vars(module))
    host = fitsense.PluginManager()
    report = host.register(module)
    assert (report.status, report.reason, report.faults) == ("loaded", "", ())
    assert {kind: len(names) for kind, names in report.provides.items()} == {
        **dict.fromkeys(("backbones", "fusions", "detectors", "pose_estimators", "sinks", "tasks", "event_schemas"), 1),
        "heads": 2,
    }
    contracts = runner.contracts_of(module)
    assert "observer of mine" in contracts
    cheap = {name: contract for name, contract in contracts.items() if not name.startswith(("backbone", "plugin"))}
    outcomes = runner.run(cheap)
    assert [outcome for outcome in outcomes if outcome.status == "broken"] == []


def test_hooks_page_has_a_section_per_hook_that_names_its_users() -> None:
    """With a description, an example, and the built-in plugins that implement it."""
    sections = dict(re.findall(r"^## (fitsense_\w+)\n(.*?)(?=^## )", HOOKS, re.MULTILINE | re.DOTALL))
    hooks = [name for name, value in vars(hookspecs).items() if hasattr(value, "fitsense_spec")]
    assert list(sections) == sorted(sections, key=hooks.index)
    assert set(sections) == set(hooks)
    for hook, section in sections.items():
        assert f".. autofunction:: {hook}\n" in section
        assert f"def {hook}(" in section
        (users,) = re.findall(r"^Used by (.*)", section, re.MULTILINE)
        if hook == "fitsense_plugin":
            continue
        plugins = (PAGES.parents[1] / "plugins").glob("fitsense_*/__init__.py")
        implementing = {
            file.parent.name.removeprefix("fitsense_") for file in plugins if f"def {hook}(" in file.read_text("utf-8")
        }
        assert set(re.findall(r"`([a-z0-9]+)`", users)) == implementing
        assert bool(implementing) != ("no built-in plugin" in users)
