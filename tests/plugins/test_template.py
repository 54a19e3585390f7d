"""``fitsense plugins new`` makes a package that works, and says why where it cannot."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

import fitsense
from fitsense._internal.configs import config_from_json
from fitsense.cli import main, plugins_new
from fitsense.testing import runner
from fitsense.train.recipe import read_recipe
from tests.helpers import task_plugin, tiny_models
from tests.helpers.doc_pages import ROOT, blocks

TEMPLATE = ROOT / "docs/examples/fitsense-template"
PAGE = "docs/how-to/write-a-plugin.md"


def new(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["plugins", "new", *map(str, arguments)])


def files(folder: Path) -> dict[str, str]:
    """The text of every file of a folder but what Python compiled, by its path there."""
    sources = (file for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return {file.relative_to(folder).as_posix(): file.read_text("utf-8") for file in sources}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "fitsense-my-gym"
    done = new("my-gym", "--out", folder)
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def plugin(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The new package's module, as pip would install it."""
    project = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]
    (module,) = project["entry-points"]["fitsense"].values()
    info = tmp_path / f"{module}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(package / "src")
    yield import_module(module)
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        del sys.modules[name]


def test_new_replaces_all_names_of_template(package: Path) -> None:
    made = files(package)
    assert "src/fitsense_my_gym/__init__.py" in made
    for path, text in made.items():
        assert "template" not in path.lower()
        assert "template" not in text.lower(), path


def test_new_copies_all_files_of_template() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "."],
        cwd=TEMPLATE, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    matched = {
        file.relative_to(TEMPLATE).as_posix() for pattern in plugins_new.FILES for file in TEMPLATE.glob(pattern)
    }
    assert matched == set(filter(None, listed.split("\0")))
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"]
    assert shipped["fitsense.examples"] == [f"{TEMPLATE.name}/{pattern}" for pattern in plugins_new.FILES]


def test_new_with_template_name_equals_template(tmp_path: Path) -> None:
    assert new("template", "--out", tmp_path).exit_code == 0
    assert files(tmp_path) == {path: (TEMPLATE / path).read_text("utf-8") for path in files(tmp_path)}


def test_new_plugin_loads_with_its_recipe(package: Path, plugin: ModuleType) -> None:
    host = fitsense.PluginManager()
    report = host.register(plugin)
    assert (report.name, report.status, report.version) == ("my-gym", "loaded", "0.1.0"), report.reason
    assert dict(report.provides) == {
        "backbones": ("my-gym/shift",),
        "heads": ("my-gym/mlp", "my-gym/form"),
        "fusions": ("my-gym/pool",),
        "tasks": ("form_quality",),
        "event_schemas": ("my-gym.milestone",),
    }
    recipe = read_recipe(package / "recipe.json")
    assert host.fusion(recipe.fusion).name == "pool"
    for branch in recipe.branches:
        config_from_json(host.backbone(branch.backbone).config, branch.config, branch.name)
        assert host.head(branch.exercise_head).name == "mlp"


def test_new_plugin_passes_contracts(plugin: ModuleType) -> None:
    """The contracts of networks take longer; .ci/template checks them."""
    contracts = runner.contracts_of(plugin)
    subjects = ("plugin my-gym", "fusion my-gym/pool", "observer of my-gym", "task form_quality")
    outcomes = runner.run({subject: contracts[subject] for subject in subjects})
    assert len(outcomes) > 30
    assert [outcome for outcome in outcomes if outcome.status == "broken"] == []


def test_new_task_is_trained_and_scored_in_a_session(package: Path, plugin: ModuleType, tmp_path: Path) -> None:
    """With the head of its README on a backbone without a network, so that it takes a moment."""
    pytest.importorskip("torch")
    from fitsense.train.recipe import BranchRecipe, Recipe, Sources
    from fitsense.train.run import train

    (stated,) = re.findall(r"^```json\n(.*?)^```", (package / "README.md").read_text("utf-8"), re.M | re.DOTALL)
    plugins = fitsense.PluginManager.discover()
    for module in (tiny_models, plugin):
        assert plugins.register(module).faults == ()
    branch = config_from_json(BranchRecipe, {"backbone": "tiny/means", **json.loads(stated)}, "README")
    recipe = Recipe(branches=(branch,), views=1, mirror=False, min_scenes=2, fusion="my-gym/pool")
    sources = Sources(task_plugin.write_data(tmp_path, clips=4), splits=("train",), unknown_split=None)
    bundle, report = train(recipe, sources, tmp_path / "out", name="x", cache=tmp_path / "cache", plugins=plugins)
    assert report["test"]["tasks"]["form_quality"]["clips"] == 9
    session = fitsense.Session(fitsense.Model(bundle, plugins=plugins))
    events = session.push_many(task_plugin.video("squat", 1.2, 4.0, 0)) + session.finish()
    parts = [e.data.extensions for e in events if isinstance(e.data, fitsense.ExerciseUpdated)]
    assert parts
    assert all(part is not None and part["form_quality"].keys() >= {"label", "values", "ok"} for part in parts)


def test_new_readme_commands_are_valid(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.Path, "convert", lambda self, value, parameter, context: Path(value))
    monkeypatch.setattr(click.Command, "invoke", lambda self, context: None)
    found = re.findall(r"^```\w*\n(.*?)^```", (package / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    commands = [line for block in found for line in block.splitlines() if line.startswith("fitsense ")]
    assert {command.split()[1] for command in commands} == {"plugins", "dataset", "train", "evaluate", "analyze"}
    for command in commands:
        main.main(shlex.split(command)[1:], standalone_mode=False)


def test_new_output_matches_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line, _, shown = blocks(PAGE, "console")[0].partition("\n")
    done = new(*shlex.split(line)[4:])
    assert done.stdout == shown
    assert Path("fitsense-my-gym/pyproject.toml").is_file()


def test_new_existing_folder_is_refused(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    for out in (taken, taken / "mine.txt"):
        done = new("my-gym", "--out", out)
        assert done.exit_code == 1
        assert done.stderr == f"fitsense: {out}: expected a new or empty folder\n"
    assert files(taken) == {"mine.txt": "mine"}


@pytest.mark.parametrize("name", ["My-Gym", "my_gym", "my--gym", "gym-", "-gym", "2gym", "", "../gym", "gym\n", "café"])
def test_new_invalid_name_is_refused(name: str, tmp_path: Path) -> None:
    done = new("--out", tmp_path / "out", "--", name)
    assert done.exit_code == 2
    assert "expected lower-case letters and digits" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_new_name_of_installed_plugin_is_refused(tmp_path: Path) -> None:
    done = new("x3d", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "expected a free name, got 'x3d', which fitsense uses" in done.stderr
    assert list(tmp_path.iterdir()) == []


@given(st.from_regex(plugins_new._NAME, fullmatch=True))
def test_new_accepted_names_are_valid_everywhere(name: str) -> None:
    class Plugin:
        @fitsense.hookimpl
        def fitsense_plugin(self) -> fitsense.plugins.PluginInfo:
            return fitsense.plugins.PluginInfo(name=name, version="1.0")

    report = fitsense.PluginManager().register(Plugin())
    assert report.status == "loaded", report.reason
    # PEP 508's names.
    assert re.fullmatch(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", f"fitsense-{name}", re.IGNORECASE)
    assert f"fitsense_{name.replace('-', '_')}".isidentifier()
