"""The lessons on plugins and training, step by step, in one folder and one process."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from fitsense.cli import main
from tests.helpers.doc_pages import blocks

PLUGIN = "docs/tutorial/first-plugin.md"
TRAINING = "docs/tutorial/first-trained-model.md"


@pytest.fixture(scope="module", autouse=True)
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty working folder, and the plugin of the lesson, as pip installs it."""
    folder, threads = tmp_path_factory.mktemp("workshop"), torch.get_num_threads()
    project = tomllib.loads(blocks(PLUGIN, "toml")[0])["project"]
    (name, module), *_ = project["entry-points"]["fitsense"].items()
    site = folder / "site"
    info = site / f"{module}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    (info / "entry_points.txt").write_text(f"[fitsense]\n{name} = {module}\n")
    (site / f"{module}.py").write_text(blocks(PLUGIN, "python")[0])
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(site)
        patched.chdir(folder)
        patched.setenv("COLUMNS", "120")
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)
        sys.modules.pop(module, None)


def run_fitsense(line: str) -> Result:
    program, name, *arguments = shlex.split(line)
    assert program == "fitsense"
    cache = ["--cache", "cache"] if name in ("dataset", "train") else []
    done = CliRunner().invoke(main, [name, *arguments, *cache])
    assert done.exit_code == 0, done.output
    return done


def test_tutorial_plugin_installed_finds_the_moving_cell(capsys: pytest.CaptureFixture[str]) -> None:
    module, trial = blocks(PLUGIN, "python")
    exec(compile(f"{module}\n{trial}", PLUGIN, "exec"), {})
    assert [capsys.readouterr().out] == blocks(PLUGIN, "text")
    printed = run_fitsense("fitsense plugins").stdout
    assert re.search(r"^stirs .* loaded +backbones: stirs/cells ", printed, re.MULTILINE)


@pytest.mark.slow
def test_tutorial_trained_model_analyses_the_sample(capsys: pytest.CaptureFixture[str]) -> None:
    clips, watching = blocks(TRAINING, "python")
    exec(compile(clips, TRAINING, "exec"), {})
    (recipe,) = blocks(TRAINING, "json")
    Path("recipe.json").write_text(recipe)
    for step in "".join(blocks(TRAINING, "console")).split("$ ")[1:]:
        line, _, shown = step.partition("\n")
        done = run_fitsense(line)
        if shown:
            assert [line.rstrip() for line in done.stdout.splitlines()] == shown.splitlines()
    capsys.readouterr()
    exec(compile(watching, TRAINING, "exec"), {})
    assert [capsys.readouterr().out] == blocks(TRAINING, "text")
