"""Laws of a plugin as a whole."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from fitsense._internal.configs import config_from_json, config_to_json
from fitsense.errors import InvalidInputError
from fitsense.plugins._manager import PluginManager
from fitsense.testing.contracts.offer import PluginFixtures

HEAVY = ("torch", "torchvision", "av")
"""Packages with slow imports, which plugins import on use."""

_PROBE = """
import json, logging, os, sys, threading
sys.path[:] = json.loads(sys.argv[2])
from fitsense import PluginManager
host = PluginManager()
def state():
    return {
        "working directory": os.getcwd(),
        "environment": dict(os.environ),
        "threads": threading.active_count(),
        "root logger": [logging.root.level, len(logging.root.handlers)],
        "sys.path": list(sys.path),
    }
def heavy():
    return sorted(set(json.loads(sys.argv[3])) & set(sys.modules))
before = state()
__import__(sys.argv[1])
after = state()
imported = heavy()
host.register(sys.modules[sys.argv[1]])
print(json.dumps({
    "changed": [name for name in before if before[name] != after[name]],
    "imported": imported,
    "registered": sorted(set(heavy()) - set(imported)),
}))
"""


class PluginContract(PluginFixtures):
    """Laws of a plugin; `plugin` is required."""

    @pytest.fixture
    def specs(self, plugin: Any) -> dict[str, Any]:
        """Its specs with a configuration, by full name."""
        return _specs(plugin)

    @pytest.fixture
    def probe(self, plugin: Any) -> dict[str, list[str]]:
        """Effects of importing and registering it in a new process."""
        if not isinstance(plugin, ModuleType):
            pytest.skip("the plugin is an object, not a module that is imported")
        return _probe(plugin.__name__, json.dumps(sys.path))

    def test_host_loads_the_plugin(self, plugin: Any) -> None:
        report = PluginManager().register(plugin)
        assert report.status == "loaded", f"it is {report.status}: {report.reason}"
        assert not report.faults, "it is loaded without these:\n" + "\n".join(report.faults)

    def test_hooks_give_the_same_specs_each_time(self, plugin: Any) -> None:
        first, second = list(_specs(plugin)), list(_specs(plugin))
        assert first == second, f"it provided {first} at first and {second} the second time"

    def test_import_loads_no_heavy_module(self, probe: dict[str, list[str]]) -> None:
        assert not probe["imported"], f"importing it imports {', '.join(probe['imported'])}; do that where it is used"

    def test_register_loads_no_heavy_module(self, probe: dict[str, list[str]]) -> None:
        assert not probe["registered"], f"its hooks import {', '.join(probe['registered'])}; do that where it is used"

    def test_import_leaves_the_process_unchanged(self, probe: dict[str, list[str]]) -> None:
        assert not probe["changed"], f"importing it changes of the process: {', '.join(probe['changed'])}"

    def test_configurations_round_trip_through_json(self, specs: dict[str, Any]) -> None:
        for name, spec in specs.items():
            config = spec.config()
            text = json.dumps(config_to_json(config), allow_nan=False)
            read = config_from_json(spec.config, json.loads(text), name)
            assert read == config, f"{name}: expected {config} again, got {read}"

    def test_configurations_refuse_unknown_keys(self, specs: dict[str, Any]) -> None:
        for name, spec in specs.items():
            document = {**config_to_json(spec.config()), "no_such_key": 1}
            try:
                read = config_from_json(spec.config, document, name)
            except InvalidInputError:
                continue
            pytest.fail(f"{name}: expected no_such_key to be refused, got {read}", pytrace=False)


def _specs(plugin: Any) -> dict[str, Any]:
    host = PluginManager()
    host.register(plugin)
    return {
        **host.backbones(),
        **host.heads(),
        **host.fusions(),
        **host.detectors(),
        **host.pose_estimators(),
        **host.sinks(),
    }


@functools.cache
def _probe(module: str, path: str) -> dict[str, list[str]]:
    command = [sys.executable, "-c", _PROBE, module, path, json.dumps(HEAVY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"importing {module} in a new process failed:\n{done.stderr}"
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found
