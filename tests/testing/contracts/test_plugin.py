"""Mutants show that each law of plugins can fail alone."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from fitsense.testing.contracts import PluginContract
from tests.testing.contracts.broken import broken_laws, laws, plugin_of

GOOD = """
import attrs, fitsense

@attrs.frozen
class Config:
    hard: bool = False

def derive(config, scores, labels): ...

@fitsense.hookimpl
def fitsense_plugin():
    return fitsense.plugins.PluginInfo(name="mutant", version="1.0")

@fitsense.hookimpl
def fitsense_heads():
    yield fitsense.plugins.DerivedHeadSpec("derived", "muscles", "exercise", derive, Config)
"""

MUTANTS = {
    "test_hooks_give_the_same_specs_each_time": (
        "calls = []\n" + GOOD.replace('"derived"', 'f"derived{len(calls)}"')
    ).replace("    yield ", "    calls.append(1)\n    yield "),
    "test_import_loads_no_heavy_module": "import av\n" + GOOD,
    "test_register_loads_no_heavy_module": GOOD.replace("    yield ", "    import av\n    yield "),
    "test_import_leaves_the_process_unchanged": "import os\nos.environ['MUTANT'] = str(os.getpid())\n" + GOOD,
    "test_configurations_round_trip_through_json": GOOD.replace("hard: bool = False", "hard: object = frozenset()"),
    "test_configurations_refuse_unknown_keys": GOOD
    + "\nfrom fitsense._internal.configs import _converter\n"
    + "_converter.register_structure_hook(Config, lambda value, _: Config(value['hard']))\n",
}


@pytest.fixture
def importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a module of this source."""

    def load(source: str) -> Any:
        (tmp_path / "mutant_plugin.py").write_text(source, "utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "mutant_plugin", raising=False)
        monkeypatch.setenv("MUTANT", "0")
        return importlib.import_module("mutant_plugin")

    return load


@pytest.mark.parametrize("law", MUTANTS)
def test_plugin_mutant_breaks_one_law(law: str, importing: Any) -> None:
    assert broken_laws(PluginContract, plugin=importing(MUTANTS[law])) == {law}


def test_plugin_valid_breaks_no_law(importing: Any) -> None:
    assert broken_laws(PluginContract, plugin=importing(GOOD)) == set()


def test_plugin_refused_by_host_breaks_one_law() -> None:
    plugin = plugin_of()
    del plugin.fitsense_plugin
    assert "test_host_loads_the_plugin" in broken_laws(PluginContract, plugin=plugin)


def test_plugin_laws_all_have_a_mutant() -> None:
    assert laws(PluginContract) == {*MUTANTS, "test_host_loads_the_plugin"}
